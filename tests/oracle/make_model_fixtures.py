#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/data/models/: tiny random models of every family with what `transformers` computes for them.

    python3 -m venv venv && venv/bin/pip install torch transformers && venv/bin/python tests/oracle/make_model_fixtures.py

Each folder holds config.json, model.safetensors, tokens.npy (int32 [L]), logits.npy (fp32 [L, V]) and taps.npy
(fp32 [5 places x layers, then the head's input] [L, D]; places: ffn_input, ffn_input_pre_norm, attention_input,
attention_input_pre_norm, block_output). Made with torch 2.15 and transformers 5.23; eager attention, fp32.
"""
import json
import pathlib
import shutil

import numpy
import torch
from transformers import (GPT2Config, GPT2LMHeadModel, LlamaConfig, LlamaForCausalLM, MistralConfig,
                          MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM)

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "data" / "models"
SIZES = dict(vocab_size=53, hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=4,
             num_key_value_heads=2, max_position_embeddings=64, bos_token_id=1, eos_token_id=2)
SMALL = dict(SIZES, vocab_size=31, hidden_size=8, intermediate_size=12, num_attention_heads=2, num_key_value_heads=1,
             max_position_embeddings=256)
GPT2 = dict(vocab_size=53, n_embd=24, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)


def randomise(model, seed):
    """Much livelier than a fresh initialisation, so that a wrong formula shows in the first digits."""
    generator = torch.Generator().manual_seed(seed)
    for name, weight in model.named_parameters():
        with torch.no_grad():
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() == 2:
                weight.copy_(noise * (1.0 if "embed" in name or "wte" in name else 0.3))
            elif name.endswith("bias"):
                weight.copy_(noise * 0.3)
            else:
                weight.copy_(1 + 0.3 * noise)


def taps_of(model, tokens):
    base = model.model if hasattr(model, "model") else model.transformer
    layers = base.layers if hasattr(base, "layers") else base.h
    seen = {}

    def record(key, take_input):
        def hook(_, args, output):
            value = args[0] if take_input else output
            seen[key] = (value[0] if isinstance(value, tuple) else value).detach().float()[0].numpy().copy()
        return hook

    for i, layer in enumerate(layers):
        attention_norm = getattr(layer, "input_layernorm", None) or layer.ln_1
        ffn_norm = getattr(layer, "post_attention_layernorm", None) or layer.ln_2
        attention_norm.register_forward_hook(record(("attention_input_pre_norm", i), True))
        attention_norm.register_forward_hook(record(("attention_input", i), False))
        ffn_norm.register_forward_hook(record(("ffn_input_pre_norm", i), True))
        ffn_norm.register_forward_hook(record(("ffn_input", i), False))
        layer.register_forward_hook(record(("block_output", i), False))
    final_norm = getattr(base, "norm", None) or base.ln_f
    final_norm.register_forward_hook(record(("head_input", 0), False))
    with torch.no_grad():
        logits = model(tokens[None], use_cache=False).logits[0].float().numpy()
    order = [(place, i) for place in ("ffn_input", "ffn_input_pre_norm", "attention_input", "attention_input_pre_norm",
                                      "block_output") for i in range(len(layers))] + [("head_input", 0)]
    return logits, numpy.stack([seen[key] for key in order])


def write(name, model, seed, length=24, stored=torch.float32, old_rope=False, **save):
    folder = FOLDER / name
    shutil.rmtree(folder, ignore_errors=True)
    randomise(model, seed)
    model.to(stored).save_pretrained(folder, **save)
    (folder / "generation_config.json").unlink(missing_ok=True)
    if old_rope:  # as versions before 5 wrote it
        config = json.loads((folder / "config.json").read_text())
        scaling = config.pop("rope_parameters")
        config["rope_theta"] = scaling.pop("rope_theta")
        scaling["type"] = scaling.pop("rope_type")
        config["rope_scaling"] = scaling
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    vocabulary = model.config.vocab_size
    tokens = torch.randint(0, vocabulary, (length,), generator=torch.Generator().manual_seed(seed + 1000))
    # Read back in fp32: converting the model in memory would leave its rotation in the stored type.
    model = type(model).from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    logits, taps = taps_of(model, tokens)
    numpy.save(folder / "tokens.npy", tokens.numpy().astype(numpy.int32))
    numpy.save(folder / "logits.npy", logits)
    numpy.save(folder / "taps.npy", taps)
    return model


def llama(name, seed, sizes=SIZES, config=LlamaConfig, model=LlamaForCausalLM, rope=None, **settings):
    write_settings = {key: settings.pop(key) for key in ("length", "stored", "old_rope", "max_shard_size")
                      if key in settings}
    fields = dict(sizes, **settings)
    if rope:
        fields["rope_parameters"] = dict(rope, rope_theta=rope.get("rope_theta", 10000.0))
    return write(name, model(config(**fields)), seed, **write_settings)


def main():
    llama("llama_gqa", 1, tie_word_embeddings=True)
    llama("llama_sharded", 1, tie_word_embeddings=True, max_shard_size="20KB")
    llama("llama_biases", 2, num_key_value_heads=4, head_dim=8, attention_bias=True, mlp_bias=True,
          tie_word_embeddings=False)
    llama("llama_linear", 3, max_position_embeddings=16, rope=dict(rope_type="linear", factor=2.0), old_rope=True)
    llama("llama_dynamic", 4, max_position_embeddings=16, rope=dict(rope_type="dynamic", factor=2.0))
    llama("llama_yarn", 5, rope=dict(rope_type="yarn", factor=4.0, original_max_position_embeddings=16), old_rope=True)
    llama("llama_yarn_mscale", 6, head_dim=16, num_hidden_layers=1, rope=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=16, mscale=0.9, mscale_all_dim=0.5, beta_fast=4.0,
        truncate=False))
    llama("llama3_rope", 7, rope=dict(rope_type="llama3", rope_theta=500.0, factor=8.0, low_freq_factor=1.0,
                                      high_freq_factor=4.0, original_max_position_embeddings=16))
    llama("llama_bf16", 8, stored=torch.bfloat16)
    llama("llama_fp16", 9, stored=torch.float16)
    llama("llama_long", 10, sizes=SMALL, length=150)
    llama("mistral_window", 11, config=MistralConfig, model=MistralForCausalLM, sliding_window=7)
    llama("mistral_long", 12, sizes=SMALL, config=MistralConfig, model=MistralForCausalLM, sliding_window=40, length=150)
    llama("qwen2", 13, config=Qwen2Config, model=Qwen2ForCausalLM, tie_word_embeddings=True)
    llama("qwen2_window", 14, config=Qwen2Config, model=Qwen2ForCausalLM, use_sliding_window=True, sliding_window=6,
          max_window_layers=1, layer_types=["full_attention", "sliding_attention"])

    gpt2 = write("gpt2_tied", GPT2LMHeadModel(GPT2Config(**GPT2)), 20)
    shutil.rmtree(FOLDER / "gpt2_bare", ignore_errors=True)
    gpt2.transformer.save_pretrained(FOLDER / "gpt2_bare")
    write("gpt2_relu", GPT2LMHeadModel(GPT2Config(
        **GPT2, activation_function="relu", n_inner=40, scale_attn_by_inverse_layer_idx=True, tie_word_embeddings=False)), 21)
    write("gpt2_gelu", GPT2LMHeadModel(GPT2Config(**dict(GPT2, activation_function="gelu", n_layer=1))), 22)


if __name__ == "__main__":
    main()
