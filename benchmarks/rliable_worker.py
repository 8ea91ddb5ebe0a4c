"""What rliable says of the scores on its standard input; runs in an environment that has rliable, and imports no more.

Reads {"scores": {case: {method: tasks x seeds}}, "thresholds": [...], "reps": n, "seed": k} as JSON and prints, by
case, the estimates of every method and pair with their percentile intervals. numpy's global generator, of which rliable
draws, is seeded before each interval.
"""

import json
import sys
from importlib.metadata import version

import numpy as np
from rliable import library, metrics


def interval(scores, function, asked):
    np.random.seed(asked["seed"])
    value, bounds = library.get_interval_estimates(
        {"x": scores}, lambda *x: np.atleast_1d(function(*x)), reps=asked["reps"]
    )
    return [float(np.ravel(part)[0]) for part in (value["x"], bounds["x"][0], bounds["x"][1])]


def profile(scores, asked):
    np.random.seed(asked["seed"])
    value, bounds = library.create_performance_profile({"x": scores}, np.array(asked["thresholds"]), reps=asked["reps"])
    return [np.asarray(part).tolist() for part in (value["x"], bounds["x"][0], bounds["x"][1])]


def main():
    asked, answer = json.load(sys.stdin), {}
    for case, by_method in asked["scores"].items():
        by_method = {method: np.array(scores).T for method, scores in by_method.items()}  # rliable: runs x tasks
        first, second = list(by_method)[:2]
        pair = [by_method[first], by_method[second]]
        answer[case] = {
            "methods": {
                method: {
                    "iqm": interval(scores, metrics.aggregate_iqm, asked),
                    "mean": interval(scores, metrics.aggregate_mean, asked),
                    "median": interval(scores, metrics.aggregate_median, asked),
                    "profile": profile(scores, asked),
                }
                for method, scores in by_method.items()
            },
            "improvement": interval(pair, metrics.probability_of_improvement, asked),
        }
    print(json.dumps({"rliable": version("rliable"), "cases": answer}))


if __name__ == "__main__":
    main()
