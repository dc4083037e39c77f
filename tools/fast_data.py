"""Write the two files that ``openviking model build-fast`` starts from.

    python tools/fast_data.py --skills skills_corpus.jsonl.gz --wordnet FOLDER

``fast_counts.npy``: how often each token of the vocabulary occurs in the skills (JSON lines with
``name``, ``description``, ``body``), in WordNet 3.0 (FOLDER holds ``data.noun`` and so on, as in
Debian's package wordnet-base) and in the documentation strings of this Python's standard library.
``fast_map.npz``: the linear map, fitted to 17,000 sentences of the latter two, with the installed
model as teacher. It takes some minutes, and the files in the repository were made with Python 3.11.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import random
import re
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openviking import Encoder
from openviking.encoder import distill, fast
from openviking.encoder.quantize import quantize_rows
from openviking.encoder.spec import ALL_MPNET_BASE_V2

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from openviking.encoder.tokenizer import TextTokenizer
    from openviking.types import Vectors

EXAMPLES, GLOSSES, DOCUMENTATION = 9000, 3000, 5000
BODY_CHARS = 6000
SEED = 5


def wordnet(folder: Path) -> tuple[list[str], list[str]]:
    """Return WordNet's example sentences and its definitions, of four words or more."""
    examples, glosses = [], []
    for name in ("noun", "verb", "adj", "adv"):
        for line in (folder / f"data.{name}").read_text("utf-8").splitlines():
            if line.startswith("  "):
                continue
            gloss = line.split(" | ", 1)[1].strip()
            examples += re.findall(r'"([^"]+)"', gloss)
            glosses.append(gloss.split(";")[0].strip())
    return _sentences(examples), _sentences(glosses)


def documentation() -> list[str]:
    """Return the sentences of the standard library's documentation strings, once each."""
    found: set[str] = set()
    for path in sorted(Path(sysconfig.get_path("stdlib")).rglob("*.py")):
        if {"site-packages", "test", "tests", "idlelib"} & set(path.parts):
            continue
        try:
            tree = ast.parse(path.read_text("utf-8"))
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                for paragraph in (ast.get_docstring(node) or "").split("\n\n"):
                    text = " ".join(paragraph.split())
                    found.update(re.split(r"(?<=[.!?])\s+(?=[A-Z])", text))
    return sorted(text for text in found if _is_prose(text))


def _is_prose(text: str) -> bool:
    return 5 <= len(text.split()) <= 40 and len(re.findall(r"[^\w\s.,'\"-]", text)) <= 3


def _sentences(texts: Iterable[str]) -> list[str]:
    return [text.strip() for text in texts if len(text.split()) >= 4]


def count(tokenizer: TextTokenizer, texts: Iterable[str]) -> NDArray[np.int64]:
    """Count each token in *texts*."""
    counts = np.zeros(tokenizer.vocabulary, np.int64)
    # Line by line, because the tokenizer cuts at the model's window.
    for line in (line for text in texts for line in text.splitlines() if line.strip()):
        np.add.at(counts, tokenizer.tokenize([line])[0].ids[1:-1], 1)
    return counts


def main() -> None:
    """Write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--skills", type=Path, required=True)
    parser.add_argument("--wordnet", type=Path, required=True)
    options = parser.parse_args()
    data = ALL_MPNET_BASE_V2.reference
    with gzip.open(options.skills, "rt", encoding="utf-8") as file:
        skills = [json.loads(line) for line in file]
    examples, glosses = wordnet(options.wordnet)
    documents = documentation()
    with Encoder.open() as encoder:
        tokenizer = encoder.tokenizer
        counts = count(
            tokenizer,
            (f"{s['name']} {s['description']}\n{s['body'][:BODY_CHARS]}" for s in skills),
        )
        # Examples are the plainest English of the three, and the smallest set.
        counts += 4 * count(tokenizer, examples) + count(tokenizer, glosses)
        counts += count(tokenizer, documents)
        packed = distill.pack_counts(counts)
        np.save(data / distill.COUNTS, packed)
        chosen = random.Random(SEED)  # noqa: S311 - a sample, the same every time
        texts = chosen.sample(examples, EXAMPLES) + chosen.sample(glosses, GLOSSES)
        texts += chosen.sample(documents, DOCUMENTATION)
        weighed = distill.weigh(
            fast.token_vectors(encoder, lambda *_: None), distill.token_shares(packed)
        )
        means = np.array(
            [weighed[text.ids[1:-1]].mean(axis=0) for text in tokenizer.tokenize(texts)]
        )
        vectors: Vectors = encoder.encode(texts[:16384]).vectors
        vectors = np.concatenate([vectors, encoder.encode(texts[16384:]).vectors])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    gain, turn = distill.fit_map(means, vectors)
    codes, scales = quantize_rows(turn.astype(np.float32))
    np.savez_compressed(data / distill.MAP, gain=np.float64(gain), codes=codes, scales=scales)


if __name__ == "__main__":
    main()
