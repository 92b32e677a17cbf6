#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the seeds of the fuzz targets (tests/data/fuzz/<target>/seed-*): small sound files of every format, from which the
fuzzers start. Needs nothing but Python. Files named crash-* and the like in those folders are not touched: they once broke a
reader."""
import gzip
import json
import pathlib
import struct
import sys

BORDER = b"\n--\n"


def ints(*values):
    return struct.pack(f"<{len(values)}i", *values)


def longs(*values):
    return struct.pack(f"<{len(values)}q", *values)


def floats(*values):
    return struct.pack(f"<{len(values)}f", *values)


def safetensors(tensors, data):
    header = json.dumps(tensors).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + data


def npy(descr, shape, data, version=1):
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    lead = 10 if version == 1 else 12
    text += b" " * (-(len(text) + lead + 1) % 64) + b"\n"
    length = struct.pack("<H" if version == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes([version, 0]) + length + text + data


def llama2c():
    dim, hidden, layers, heads, kv_heads, vocabulary, context = 8, 16, 1, 2, 2, 12, 8
    head = dim // heads
    count = (vocabulary * dim + layers * (dim + dim * heads * head + 2 * dim * kv_heads * head + heads * head * dim)
             + layers * (dim + 3 * dim * hidden) + dim + 2 * context * head // 2)
    return struct.pack("<7i", dim, hidden, layers, heads, kv_heads, vocabulary, context) + floats(*([0.5] * count))


def tok_bin():
    pieces = [b"<unk>", b"\n<s>\n", b"\n</s>\n"] + [b"<0x%02X>" % i for i in range(256)] + [b" ", b"H", b"e", b"l", b"o", b"ll", b"He", b"Hell", b"Hello"]
    body = b"".join(struct.pack("<fi", float(-i), len(piece)) + piece for i, piece in enumerate(pieces))
    return ints(max(map(len, pieces))) + body


def byte_level_vocabulary():
    letters = "Helo,wrd42!\u0120\u010adn't"
    tokens = list(dict.fromkeys(letters)) + ["ll", "He", "Hell", "Hello", "\u0120w", "or"]
    merges = [("l", "l"), ("H", "e"), ("He", "ll"), ("Hell", "o"), ("\u0120", "w"), ("o", "r")]
    return {token: i for i, token in enumerate(tokens)}, merges


def tokenizer_json(pre_tokenizer, **model):
    vocabulary, merges = byte_level_vocabulary()
    return json.dumps({
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": len(vocabulary), "content": "<|end|>", "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}],
        "normalizer": None, "pre_tokenizer": pre_tokenizer, "post_processor": None, "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False,
                  "vocab": vocabulary, "merges": [" ".join(merge) for merge in merges]} | model,
    }).encode()


def llama_config():
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": 32, "hidden_size": 8, "intermediate_size": 16, "num_hidden_layers": 2,
            "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 16, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
            "tie_word_embeddings": True, "bos_token_id": 1, "eos_token_id": 2}


def gpt2_config():
    return {"architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "vocab_size": 32, "n_embd": 8, "n_layer": 2, "n_head": 2, "n_positions": 16, "n_ctx": 16,
            "layer_norm_epsilon": 1e-5, "activation_function": "gelu_new", "n_inner": None}


def manifest():
    # Its checksums do not hold; the target mends them.
    return json.dumps({"format": "retoscope-datastore", "version": 1, "fingerprint": "", "identity": {"entries": 3, "dimension": 2},
                       "files": {"keys.bin": {"bytes": 8, "xxh3": "0000000000000000"}}, "info": {}, "checksum": ""}).encode()


def artefact(identity, *files):
    return BORDER.join([json.dumps(identity).encode(), *files])


def trace(exact):
    n, k, d, c = 3, 2, 2, 2
    identity = {"positions": n, "k": k, "dimension": d, "top_candidates": c, "metric": "l2", "exact_index": exact, "has_entropies": True}
    distances = floats(*([0.5] * (n * k)))
    return artefact(identity, ints(1, 2, 3), longs(1, 2, 3), ints(0, 0, 1), ints(0, 0, 1), floats(-1, -2, -3), floats(*([0.25] * (n * d))),
                    ints(0, 1, 2, 0, -1, 1), distances, b"" if exact else distances, floats(1, 1, 1), ints(*range(n * c)), floats(*([-1.0] * (n * c))))


def faiss_header(kind, d, n, metric=1):
    return kind + struct.pack("<iqqqBi", d, n, 1 << 20, 1 << 20, 1, metric)


def vector(element, *values):
    return struct.pack("<Q", len(values)) + struct.pack(f"<{len(values)}{element}", *values)


def faiss_flat(d, n):
    return faiss_header(b"IxF2", d, n) + vector("f", *([0.5] * (n * d)))


def faiss_pq(d, m, bits):
    return struct.pack("<QQQ", d, m, bits) + vector("f", *([0.1] * ((1 << bits) * d)))


def inverted(d, n, lists):
    return struct.pack("<QQ", lists, 1) + faiss_flat(d, lists) + struct.pack("<B", 0) + vector("q")


def lists_full(code, sizes):
    body = b"".join(bytes(size * code) + longs(*range(size)) for size in sizes)
    return b"ilar" + struct.pack("<QQ", len(sizes), code) + b"full" + vector("Q", *sizes) + body


def ivf_flat(d=2, n=3):
    return faiss_header(b"IwFl", d, n) + inverted(d, n, 2) + lists_full(4 * d, [1, n - 1])


def ivf_pq(d=4, n=3, m=2, bits=2):
    return faiss_header(b"IwPQ", d, n) + inverted(d, n, 2) + struct.pack("<BQ", 1, m) + faiss_pq(d, m, bits) + lists_full(m, [1, n - 1])


def pq_flat(d=4, n=3, m=2, bits=2):
    return faiss_header(b"IxPq", d, n) + faiss_pq(d, m, bits) + vector("B", *([0] * (n * m))) + struct.pack("<iBi", 0, 0, 0)


def pre_transform(d=4, n=3):
    rotation = b"rrot" + struct.pack("<B", 0) + vector("f", *([0.1] * (d * d))) + vector("f") + struct.pack("<iiB", d, d, 1)
    return faiss_header(b"IxPT", d, n) + struct.pack("<i", 1) + rotation + ivf_flat(d, n)


def seeds():
    tensors = {"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}, "b": {"dtype": "BF16", "shape": [3], "data_offsets": [16, 22]}}
    vocabulary, merges = byte_level_vocabulary()
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    split = {"type": "Sequence", "pretokenizers": [{"type": "Split", "pattern": {"Regex": "\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+|\\s+"}, "behavior": "Isolated", "invert": False},
                                                   {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}]}
    return {
        "safetensors": [safetensors(tensors, bytes(22)), safetensors({"__metadata__": {"format": "pt"}, "x": {"dtype": "F16", "shape": [], "data_offsets": [0, 2]}}, bytes(2))],
        "llama2c": [llama2c()],
        "hf_config": [json.dumps(llama_config()).encode(), json.dumps(gpt2_config()).encode(),
                      json.dumps(llama_config() | {"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8}}).encode(),
                      json.dumps(llama_config() | {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 8}}).encode()],
        "npy": [npy("<f4", "(2, 2)", floats(1, 2, 3, 4)), npy("<i8", "(3,)", longs(1, 2, 3)), npy("|u1", "()", b"\1", version=2)],
        "tokenizer_json": [tokenizer_json(byte_level), tokenizer_json(split), tokenizer_json(byte_level, ignore_merges=True, merges=[list(merge) for merge in merges])],
        "vocabulary": [json.dumps(vocabulary).encode() + BORDER + ("#version: 0.2\n" + "\n".join(" ".join(merge) for merge in merges) + "\n").encode()],
        "tok_bin": [tok_bin()],
        "documents": [b"T" + "One line.\nAnother, \u00e9.\n".encode(), b"B" + b"First.\n\nSecond.\nStill second.\n", b"W" + b" = Title = \n\n Text @-@ here . \n = = Part = = \n",
                      b"J" + b'{"text": "one", "title": "a"}\n{"text": "two"}\n', b"H" + b"<html><head><title>T</title></head><body><h1>A</h1><p>b <b>c</b><pre>d\n e</pre><table><tr><td>1<td>2</table></body></html>",
                      b"T" + gzip.compress(b"packed text\n", mtime=0)],
        "manifest": [manifest()],
        "token_store": [artefact({"corpus": "c", "split": "train", "tokenizer": "t", "documentStart": "none", "tokens": 5},
                                 ints(1, 2, 3, 4, 5), longs(0, 3, 5), ints(1, 2, 3, 1, 2), ints(0, 1))],
        "datastore": [artefact({"entries": 3, "dimension": 2, "key_type": "fp16"}, bytes(12), ints(1, 2, 3), longs(0, 1, 2, 4)),
                      artefact({"entries": 2, "dimension": 1, "key_type": "fp32"}, bytes(8), ints(1, 2), longs(0, 1))],
        "clusters": [artefact({"entries": 4, "states": 2}, ints(0, 1, 0, 1), longs(0, 2, 4), ints(0, 2, 1, 3))],
        "trace": [trace(True), trace(False)],
        "faiss_header": [faiss_flat(2, 3), ivf_flat(), ivf_pq(), pq_flat(), pre_transform()],
    }


def main():
    folder = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parent.parent / "data" / "fuzz")
    for target, files in seeds().items():
        (folder / target).mkdir(parents=True, exist_ok=True)
        for number, content in enumerate(files, 1):
            (folder / target / f"seed-{number}").write_bytes(content)


if __name__ == "__main__":
    main()
