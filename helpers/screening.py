"""Screens in front of a classifier: an answer, or a refusal with its reason."""

import numpy as np
import pandas as pd
import torch
from sklearn.exceptions import NotFittedError

from helpers.thresholds import Screen, as_scores
from helpers.training import apply


class ScreenedClassifier:
    """Answers where no screen objects: screen | classifier.

    classifier : float batch (N, C, H, W) -> logits (N, K); classes : K names
    scores : uint8 images (N, C, H, W) -> {name: (N,)}, one for each screen; higher is more
        anomalous. One function for all, so that what they share is computed once; or a function
        for each, {name: uint8 images -> (N,)}.
    alpha : share of normal images that may be refused by all screens together; each screen
        gets an equal part of it (Bonferroni)
    temperature : that divides the logits (`helpers.calibration.fit_temperature`)
    """

    def __init__(self, classifier, classes, scores, alpha=0.05, temperature=1.0):
        self.classifier, self.classes, self.scores = classifier, classes, scores
        self.alpha, self.temperature = alpha, temperature

    def fit(self, images):
        """Calibrate every screen on normal images that no network was trained on. -> itself"""
        found = self._found(images)
        level = float(self.alpha) / len(found)
        self.screens_ = {name: Screen(level).fit(s) for name, s in found.items()}
        return self

    def _found(self, images):
        """The scores of all screens, one for each image."""
        if callable(self.scores):
            found = self.scores(images)
        else:
            found = {name: function(images) for name, function in self.scores.items()}
        found = {name: as_scores(s) for name, s in found.items()}
        lengths = {name: len(s) for name, s in found.items()}
        if set(lengths.values()) != {len(images)}:
            raise ValueError(
                f"expected one score for each of {len(images)} images from each screen; got "
                f"{lengths}: look at the function `scores`"
            )
        return found

    def judge(self, images):
        """Score, p-value and refusal of each screen. uint8 (N, C, H, W) -> {name: DataFrame}"""
        if not hasattr(self, "screens_"):
            raise NotFittedError(
                "this ScreenedClassifier is not fitted yet: call `fit` with normal images first"
            )
        tables, found = {}, self._found(images)
        for name, screen in self.screens_.items():
            s = found[name]
            columns = {"score": s, "p": screen.p_values(s), "refused": screen.predict(s)}
            tables[name] = pd.DataFrame(columns)
        return tables

    def predict(self, images):
        """One row an image: answer (a class, or "refused"), probability, reason. -> DataFrame

        The probability is the classifier's, and NaN where the image was refused.
        """
        logits = apply(self.classifier, images) / self.temperature
        probability, place = logits.softmax(dim=1).max(dim=1)
        reasons = np.full(len(images), "", dtype=object)
        for name, table in self.judge(images).items():
            for i in np.flatnonzero(table.refused):
                reasons[i] += f"{'; ' if reasons[i] else ''}{name}: p = {table.p[i]:.4f}"
        refused = reasons != ""
        answers = np.where(refused, "refused", np.asarray(self.classes, dtype=object)[place])
        probability = torch.where(torch.from_numpy(refused), torch.nan, probability)
        return pd.DataFrame({"answer": answers, "probability": probability, "reason": reasons})
