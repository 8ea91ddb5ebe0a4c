from tests.metrics.conftest import bert_regression_dir, classifier_dir, encoder_dir, intent_dir, preference_dir

__all__ = ["bert_regression_dir", "classifier_dir", "encoder_dir", "intent_dir", "preference_dir"]
