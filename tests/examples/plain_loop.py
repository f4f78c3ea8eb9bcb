"""A plain torch loop as a trial: the lines that begin with `context` and the two that restore are all that was added.

paretune launch tests/examples/plain_loop.toml
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

from objectives.context import Context
from objectives.data import open_dataset


def train(params: dict[str, Any], context: Context) -> None:
    """Trains a two-layer network on the digits."""
    digits = open_dataset("digits").train
    images_NP = torch.from_numpy(digits.images_NCHW).float().flatten(start_dim=1) / 255
    whole = TensorDataset(images_NP, torch.from_numpy(digits.labels_N))
    parts = random_split(whole, [0.8, 0.2], torch.Generator().manual_seed(0))
    train_loader = DataLoader(parts[0], batch_size=params["batch_size"], shuffle=True)
    validation_loader = DataLoader(parts[1], batch_size=256)

    hidden = params["hidden"]
    model = nn.Sequential(nn.Linear(images_NP.shape[1], hidden), nn.ReLU(), nn.Dropout(0.1), nn.Linear(hidden, 10))
    model.to(context.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=params["lr"])

    if (saved := context.restore()) is not None:
        model.load_state_dict(saved["model"]), optimizer.load_state_dict(saved["optimizer"])
    for _epoch in context.epochs():
        with context.training():
            model.train()
            for images, labels in train_loader:
                optimizer.zero_grad()
                loss = F.cross_entropy(model(images.to(context.device)), labels.to(context.device))
                torch.autograd.backward(loss)
                optimizer.step()
        model.eval()
        with torch.no_grad():
            correct = sum(
                int((model(images.to(context.device)).argmax(1) == labels.to(context.device)).sum())
                for images, labels in validation_loader
            )
        context.report(correct, len(parts[1]), train_loss=loss.item())
        context.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()})
