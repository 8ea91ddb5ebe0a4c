from tests.metrics.conftest import classifier_dir, intent_dir

__all__ = ["classifier_dir", "intent_dir"]
