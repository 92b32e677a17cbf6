// SPDX-License-Identifier: GPL-3.0-or-later
// Arrays and sparse matrices out of Python's pickles, protocols 0 to 5 (https://docs.python.org/3/library/pickletools.html),
// and nothing else: unpickling in general runs code, so this reader knows the few globals that NumPy and SciPy write and
// refuses every other one by name. Files of others are hostile input: every length is checked against the bytes that are
// left before it is believed, and objects, stack and memo are limited.
#pragma once

#include "base/mapped_file.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace retoscope {

/// A numpy.ndarray of numbers, little-endian and in C order.
struct PickledArray
{
    std::string type;                 ///< as in npy.h, e.g. "i4"
    std::vector<std::int64_t> shape;
    std::span<const std::byte> data;  ///< inside the pickle, or in `owner`; not aligned
    std::shared_ptr<const void> owner;

    [[nodiscard]] std::int64_t count() const; ///< product of the shape
    /// Any integer type, widened; `name` is the file's name for the sentence. Throws BadInput for other types.
    [[nodiscard]] std::vector<std::int64_t> integers(std::string_view name) const;
};

/// A scipy.sparse csr_matrix or csr_array: the columns of row r are indices[indptr[r]] … indices[indptr[r + 1] − 1].
struct PickledCsr
{
    std::int64_t rows = 0;
    std::int64_t columns = 0;
    PickledArray data, indices, indptr;
};

using Pickled = std::variant<PickledArray, PickledCsr>;

/// Reads the one object of a pickle; `bytes` must outlive it. Throws BadInput naming the global, opcode or type that is not
/// read here, Corrupt when the pickle is damaged.
Pickled readPickle(std::span<const std::byte> bytes, std::string_view name);

} // namespace retoscope
