"""Forms against the expressions that they stand for, computed by the runtime's own code."""

from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from pyqemu.hostgen.form_tables import FormTables
from pyqemu.hostgen.value_form import Choice, Computed, Entry, Sum, form_of, low64, word_bits
from pyqemu.translator.errors import UnsupportedError
from pyqemu.translator.static import Here, apply, element, evaluate
from tests.hostgen.expressions import BIT, FIELDS, IMM, OFFSET, RD, random_expression

RUNTIME = Path(__file__).parents[2] / "runtime"
#: Reads tables, words and addresses; prints the values.
DRIVER = r"""
#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <vector>
#include "value_form.hpp"
using namespace pyqemu;
template <typename T> std::span<const T> read(const char *path) {
  std::ifstream file(path, std::ios::binary);
  auto *bytes = new std::vector<char>(std::istreambuf_iterator<char>(file), {});
  return {reinterpret_cast<const T *>(bytes->data()), bytes->size() / sizeof(T)};
}
int main() {
  PackHeader header = {};
  header.context_count = 1;
  PackTables t;
  t.header = &header, t.form = read<FormRec>(".pq.form"), t.term = read<TermRec>(".pq.term");
  t.prog = read<ProgOp>(".pq.prog"), t.table = read<int64_t>(".pq.table");
  uint32_t number;
  uint64_t word, here, mode;
  while (scanf("%u %" SCNu64 " %" SCNu64 " %" SCNu64, &number, &word, &here, &mode) == 4) {
    if (!valid_form(t, number)) return 1;
    const uint64_t context[4] = {mode};
    printf("%" PRId64 "\n", evaluate(t, t.form[number], {word, here, context}));
  }
}
"""


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forms")
    (folder / "driver.cpp").write_text(DRIVER)
    sources = ["driver.cpp", str(RUNTIME / "core/value_form.cpp")]
    command = ["g++", "-std=c++20", "-O1", f"-I{RUNTIME / 'core'}", *sources, "-o", "driver"]
    subprocess.run(command, cwd=folder, check=True)
    return folder


def test_forms_have_the_values_of_their_expressions(driver: Path) -> None:
    rng = Random(5)
    tables = FormTables(["mode"])
    kinds: Counter[type] = Counter()
    lines: list[str] = []
    expected: list[int] = []
    while len(lines) < 20000:
        expr = random_expression(rng, rng.randrange(4))
        try:
            number = tables.form(expr, FIELDS)
        except UnsupportedError:  # byte code has no such range
            continue
        kinds[type(form_of(expr, FIELDS))] += 1
        for _ in range(10):
            word, here, mode = rng.getrandbits(32), rng.getrandbits(64), rng.getrandbits(2)
            fields = {name: field.extract(word) for name, field in FIELDS.items()}
            lines.append(f"{number} {word} {here} {mode}")
            expected.append(low64(evaluate(expr, fields, here, {"mode": mode})))
    for name, data in tables.sections().items():
        (driver / name).write_bytes(data)
    done = subprocess.run([driver / "driver"], cwd=driver, input="\n".join(lines), text=True, stdout=subprocess.PIPE)
    assert done.returncode == 0
    assert list(map(int, done.stdout.split())) == expected
    assert all(kinds[kind] > 50 for kind in (Sum, Entry, Computed)) and kinds[Choice] > 5


def test_usual_values_are_quick() -> None:
    register = element(tuple(range(256, 512, 8)), RD)
    usual = {
        "a register's offset": (register, Entry),
        "half of it": (apply("add", register, 8), Entry),
        "an immediate": (apply("shl", IMM, 3), Sum),
        "a target": (apply("add", Here(), apply("shl", OFFSET, 2)), Sum),
        "a page": (apply("add", apply("and", Here(), -4096), apply("shl", OFFSET, 12)), Sum),
        "an inverted bit": (apply("eq", BIT, 0), Entry),
        "an immediate, shifted or not": (apply("select", BIT, apply("shl", IMM, 12), IMM), Choice),
    }
    for what, (expr, kind) in usual.items():
        assert isinstance(form_of(expr, FIELDS), kind), what


def test_what_is_equal_is_held_once() -> None:
    tables = FormTables([])
    first = tables.form(apply("add", RD, 1), FIELDS)
    assert tables.form(apply("sub", RD, -1), FIELDS) == first
    assert tables.form(apply("add", IMM, 1), FIELDS) != first


def test_the_bits_that_a_value_depends_on() -> None:
    assert word_bits(apply("add", RD, Here()), FIELDS) == 0x1F
    assert word_bits(apply("eq", OFFSET, BIT), FIELDS) == 0x80000000 | 0x60000000 | 0x00FFFFE0
