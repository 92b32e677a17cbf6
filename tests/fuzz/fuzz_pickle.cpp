// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever a pickle holds: an array or a matrix that lies within memory that is there, or a sentence.
#include "base/error.h"
#include "base/pickle.h"

#include <cstdlib>

namespace {

void requireWhole(const retoscope::PickledArray &array)
{
    const auto count = static_cast<std::size_t>(array.count());
    if (array.data.size() != count * static_cast<std::size_t>(array.type[1] - '0'))
        std::abort();
    unsigned sum = 0;
    for (const std::byte byte : array.data) // under asan, touching is checking
        sum += std::to_integer<unsigned>(byte);
    volatile unsigned seen = sum;
    static_cast<void>(seen);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    try {
        const Pickled value = readPickle(std::as_bytes(std::span(data, size)), "fuzz.pkl");
        if (const auto *csr = std::get_if<PickledCsr>(&value)) {
            for (const PickledArray *array : {&csr->data, &csr->indices, &csr->indptr})
                requireWhole(*array);
        } else {
            requireWhole(std::get<PickledArray>(value));
        }
    } catch (const Error &) {
    }
    return 0;
}
