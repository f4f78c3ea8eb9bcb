"""A scikit-learn model as a trial: no torch at all.

paretune launch tests/examples/linear.toml
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.linear_model import SGDClassifier
from sklearn.model_selection import train_test_split

from objectives.context import Context


def train(params: dict[str, Any], context: Context) -> None:
    """Fits a linear classifier to the digits, one pass after the other."""
    images, labels = load_digits(return_X_y=True)
    parts = train_test_split(images / 16, labels, test_size=0.2, random_state=0, stratify=labels)
    train_images, validation_images, train_labels, validation_labels = parts
    classes = np.unique(labels)
    model = SGDClassifier(**params)
    saved = context.restore()
    if saved is not None:
        model.partial_fit(train_images[:1], train_labels[:1], classes)  # gives it its shape
        for name, value in saved.items():
            setattr(model, name, value)
    for _epoch in context.epochs():
        with context.training():
            model.partial_fit(train_images, train_labels, classes)
        context.time_inference(lambda: model.predict(validation_images[:1]))
        num_correct = int((model.predict(validation_images) == validation_labels).sum())
        context.report(num_correct, len(validation_labels), num_samples=len(train_labels))
        context.save({"coef_": model.coef_, "intercept_": model.intercept_, "t_": model.t_})
