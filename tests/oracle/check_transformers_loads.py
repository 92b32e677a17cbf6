#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loads a model folder that Retoscope trained with `transformers` and computes the validation loss again.

    check_transformers_loads.py FOLDER TOKENS [--tolerance 0.01]

TOKENS holds the validation tokens as raw little-endian int32 (the tokens file of a token store), or, with --bytes, a text
whose bytes are the tokens. Ends with status 1 when a weight is missing, unexpected or misshapen, or when the loss differs
from the one in FOLDER/training.json by more than the tolerance (nats; training computes in bf16).
Needs torch, transformers and numpy; run with transformers 5.23.
"""
import argparse
import json
import pathlib
import sys

import numpy as np
import torch
from transformers import AutoModelForCausalLM


def validation_loss(model, tokens, length):
    """Mean -log p of tokens[1:], in windows of `length` inputs that do not overlap."""
    total = 0.0
    with torch.no_grad():
        for begin in range(0, len(tokens) - 1, length):
            window = torch.tensor(tokens[begin:begin + length + 1], dtype=torch.long)
            logits = model(window[None, :-1]).logits[0].float()
            total += torch.nn.functional.cross_entropy(logits, window[1:], reduction="sum").item()
    return total / (len(tokens) - 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("tokens", type=pathlib.Path)
    parser.add_argument("--bytes", action="store_true")
    parser.add_argument("--tolerance", type=float, default=0.01)
    options = parser.parse_args()

    summary = json.loads((options.folder / "training.json").read_text())
    config, expected = summary["config"], summary["report"]["best_validation_loss"]
    tokens = np.fromfile(options.tokens, dtype=np.uint8 if options.bytes else "<i4").astype(np.int64)
    if config["validation_tokens"] > 0:
        tokens = tokens[:config["validation_tokens"]]

    model, report = AutoModelForCausalLM.from_pretrained(options.folder, output_loading_info=True)
    problems = {kind: names for kind, names in report.items() if names}
    loss = validation_loss(model.float().eval(), tokens, config["sequence_length"])
    print(f"{options.folder}: transformers {loss:.5f}, training {expected:.5f} nats, difference {loss - expected:+.5f}")
    if problems:
        print(f"loading reported {problems}")
    return 1 if problems or abs(loss - expected) > options.tolerance else 0


if __name__ == "__main__":
    sys.exit(main())
