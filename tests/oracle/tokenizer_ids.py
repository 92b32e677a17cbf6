#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes tests/data/tokenizers/{oracle,made}.json: ids from the reference implementations (PyPI sentencepiece, tokenizers).

usage: RETOSCOPE_SHARED=… python3 tests/oracle/tokenizer_ids.py
"""
import hashlib
import json
import os
import pathlib

import sentencepiece
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

HERE = pathlib.Path(__file__).resolve().parent
SHARED = pathlib.Path(os.environ["RETOSCOPE_SHARED"]) / "data" / "tokenizers"
OUT = HERE.parent / "data" / "tokenizers"

TEXTS = [
    "", " ", "  ", "\n", "\n\n", "\t", "a", " a", "a ", "Hello, world!", "  two  spaces  ", "It's we'll I'M 'S they'RE",
    "3.14159 12345 1 22 333", "line one\nline two\r\n    indented", "naïve café über", "e\u0301 A\u030a \u1e9b\u0323", "ﬁ ½ ① ⁻¹",
    "日本語のテキスト。中文", "안녕하세요", "שלום مرحبا", "नमस्ते", "👩‍👩‍👧 🇩🇪 👍🏽", "\u00a0\u2003\u3000x\u0085y\u180ez", "a\u200bb\ufeffc",
    "x" * 70, "!?!?...---===", "<|endoftext|>", "a<|endoftext|> b", "<s>hi</s>", "if (x) {\n        return;\n}\n", "1/2 of the 4½ months",
    " \n \t mixed \n\n\n white", "CamelCaseAndMORE_snake_case", "\u0001\u007f", "ſ 'ſ K", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𝟙𝟚",
]


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sentencepiece_cases(path):
    processor = sentencepiece.SentencePieceProcessor(model_file=str(path))
    cases = []
    for text in TEXTS:
        ids = processor.encode(text)
        cases.append({"text": text, "ids": ids, "decoded": processor.decode(ids)})
    return cases


def hf_cases(tokenizer, texts=TEXTS):
    cases = []
    for text in texts:
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids)})
    return cases


def gpt2():
    folder = SHARED / "gpt2"
    tokenizer = Tokenizer(models.BPE.from_file(str(folder / "vocab.json"), str(folder / "merges.txt")))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|endoftext|>"])
    return tokenizer


LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")


def made():
    """Small tokenizers of every shape that tokenizer.json files have, trained on the texts above."""
    def trained(name, pre_tokenizer, normalizer=None, decoder=None, added=(), byte_fallback=False, edit=None):
        if byte_fallback:
            tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
            special = ["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)]
            trainer = trainers.BpeTrainer(vocab_size=340, special_tokens=special, show_progress=False, limit_alphabet=50)
        else:
            tokenizer = Tokenizer(models.BPE())
            trainer = trainers.BpeTrainer(vocab_size=330, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
        if normalizer:
            tokenizer.normalizer = normalizer
        if pre_tokenizer:
            tokenizer.pre_tokenizer = pre_tokenizer
        tokenizer.decoder = decoder or decoders.ByteLevel()
        tokenizer.train_from_iterator(TEXTS * 3, trainer)
        tokenizer.add_tokens([t for t in added if not t.special])
        tokenizer.add_special_tokens([t for t in added if t.special])
        data = json.loads(tokenizer.to_str())
        if byte_fallback:
            data["added_tokens"] = [t for t in data["added_tokens"] if not t["content"].startswith("<0x")]
        if edit:
            edit(data)
        tokenizer = Tokenizer.from_str(json.dumps(data))
        return {"name": name, "tokenizer": data,
                "cases": [{"text": c["text"], "ids": c["ids"]} for c in hf_cases(tokenizer, TEXTS + ["a [X]  b", "xXx [Y]z", "ab" * 30])]}

    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    llama = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    added = [AddedToken("[X]", lstrip=True, rstrip=True, special=True), AddedToken("[Y]", normalized=False), AddedToken("  ", normalized=True)]

    def ignore_merges(data):
        data["model"]["ignore_merges"] = True
        data["model"]["vocab"]["hello"] = max(data["model"]["vocab"].values()) + 50

    return [
        trained("GPT-2", pre_tokenizers.ByteLevel(add_prefix_space=False)),
        trained("GPT-2 with a space in front", pre_tokenizers.ByteLevel(add_prefix_space=True)),
        trained("Llama 3", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level]), edit=ignore_merges),
        trained("Qwen 2", pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), byte_level]), normalizer=normalizers.NFC()),
        trained("SmolLM", pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)])),
        trained("added tokens", pre_tokenizers.ByteLevel(add_prefix_space=False), normalizer=normalizers.NFKC(), added=added),
        trained("Llama 2", None, normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]), llama, byte_fallback=True),
        trained("Metaspace", pre_tokenizers.Metaspace(prepend_scheme="always"), decoder=decoders.Metaspace(), byte_fallback=True),
        trained("Metaspace, first", pre_tokenizers.Metaspace(prepend_scheme="first"), decoder=decoders.Metaspace(), byte_fallback=True),
        trained("Metaspace, never, unsplit", pre_tokenizers.Metaspace(prepend_scheme="never", split=False), decoder=decoders.Metaspace(), byte_fallback=True),
    ]


def write(name, data):
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / name).write_text(json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":")) + "\n")


def main():
    print("sentencepiece", sentencepiece.__version__, "tokenizers", tokenizers.__version__)
    oracle = {digest(SHARED / name): sentencepiece_cases(SHARED / name)
              for name in ("t5/spiece.model", "marian_joint/vocab.joint.spm", "llama2/tokenizer.model")}
    neox = SHARED / "gpt_neox" / "20B_tokenizer.json"
    oracle[digest(neox)] = [c for c in hf_cases(Tokenizer.from_file(str(neox)))]
    oracle[digest(SHARED / "gpt2" / "vocab.json")] = hf_cases(gpt2())
    write("oracle.json", oracle)
    write("made.json", made())


if __name__ == "__main__":
    main()
