#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the pickles of tests/data/pickles with the NumPy and SciPy that it runs under, and checks them by reading back.

    python -m venv v && v/bin/pip install numpy==1.24.2 scipy==1.10.1 && v/bin/python make_pickle_fixtures.py tests/data/pickles numpy1
    python -m venv w && w/bin/pip install numpy scipy                 && w/bin/python make_pickle_fixtures.py tests/data/pickles numpy2

Every accepted file holds the same clustering (STATES, one state per entry), as the matrix that knn-transformers pickles or
as the array itself. What must be refused is written once, by the run called numpy1.
"""
import collections
import os
import pickle
import sys

import numpy
import scipy.sparse

STATES = [0, 3, 1, 1, 4, 0, 2, 2, 2, 3, 0, 1, 4, 4, 0, 6]  # state 5 is empty
SEVEN = 7


def matrix(kind=scipy.sparse.csr_matrix, index=numpy.int32):
    """clusters x entries, ones where the entry is a member."""
    result = kind((numpy.ones(len(STATES), dtype=numpy.int64), (STATES, range(len(STATES)))), shape=(SEVEN, len(STATES)))
    result.indices = result.indices.astype(index)
    result.indptr = result.indptr.astype(index)
    return result


def write(folder, name, value, protocol, **options):
    path = os.path.join(folder, f"{name}.pkl")
    with open(path, "wb") as file:
        pickle.dump(value, file, protocol=protocol, **options)
    return path


def write_accepted(folder, run):
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        for name, value in (("csr", matrix()), ("array", numpy.array(STATES, dtype=numpy.int32))):
            path = write(folder, f"{name}_{run}_protocol{protocol}", value, protocol)
            with open(path, "rb") as file:
                again = pickle.load(file)
            dense = numpy.asarray(again.todense()) if name == "csr" else again
            assert (dense.argmax(axis=0) == STATES).all() if name == "csr" else (dense == STATES).all()
    write(folder, f"csr_array_{run}", matrix(scipy.sparse.csr_array), 4)
    write(folder, f"csr_int64_{run}", matrix(index=numpy.int64), 4)
    write(folder, f"array_fp32_{run}", numpy.linspace(0, 1, 5, dtype=numpy.float32).reshape(5, 1), 4)
    # As SciPy before 1.8 named it.
    kind = scipy.sparse.csr_matrix
    module, kind.__module__ = kind.__module__, "scipy.sparse.csr"
    write(folder, f"csr_old_name_{run}", matrix(), 4)
    kind.__module__ = module


class Evil:
    def __reduce__(self):
        return os.system, ("true",)


def write_refused(folder):
    write(folder, "refused_system", Evil(), 4)
    write(folder, "refused_system_protocol0", Evil(), 0)
    write(folder, "refused_counter", collections.Counter("abc"), 4)
    write(folder, "refused_csc", matrix().tocsc(), 4)
    write(folder, "refused_list", STATES, 4)
    write(folder, "refused_set", {1, 2, 3}, 4)
    write(folder, "refused_objects", numpy.array([{}, None], dtype=object), 4)
    write(folder, "refused_big_endian", numpy.array(STATES, dtype=">i4"), 4)
    write(folder, "refused_fortran", numpy.asfortranarray(numpy.arange(6).reshape(2, 3)), 4)
    write(folder, "refused_records", numpy.zeros(3, dtype=[("a", "i4"), ("b", "f4")]), 4)
    write(folder, "refused_outside", numpy.array(STATES), 5, buffer_callback=lambda buffer: None)
    write(folder, "refused_big_integer", 1 << 200, 4)


def write_wrong_members(folder):
    """Matrices that can be read but are no clustering."""
    twice = matrix()
    twice.indices[0] = 5  # entry 5 is in cluster 0 already, and entry 0 in none
    write(folder, "members_twice", twice, 4)
    missing = matrix()[:6]  # without cluster 6, entry 15 is nowhere
    write(folder, "members_missing", missing, 4)
    beyond = matrix()
    beyond.indices[3] = 400
    write(folder, "members_beyond", beyond, 4)
    descending = matrix()
    descending.indptr[2] = 0
    write(folder, "members_descending", descending, 4)
    wide = scipy.sparse.csr_matrix(matrix(), shape=(SEVEN, len(STATES)))
    wide.resize(SEVEN, len(STATES) + 4)
    write(folder, "members_wide", scipy.sparse.csr_matrix((wide.data, wide.indices, wide.indptr), shape=wide.shape), 4)
    floats = matrix()
    floats.indices = floats.indices.astype(numpy.float64)
    write(folder, "members_floats", floats, 4)


if __name__ == "__main__":
    target, name = sys.argv[1:]
    os.makedirs(target, exist_ok=True)
    write_accepted(target, name)
    if name == "numpy1":
        write_refused(target)
        write_wrong_members(target)
    print(f"numpy {numpy.__version__}, scipy {scipy.__version__}, {len(os.listdir(target))} files in {target}")
