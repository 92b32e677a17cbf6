// SPDX-License-Identifier: GPL-3.0-or-later
// Whatever two files are called and hold (the name, a line end, then the bytes of both): they are read as exactly as many
// entries as they have, or refused with a sentence.
#include "base/error.h"
#include "datastore/datastore_import.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>

namespace {

namespace fs = std::filesystem;

struct Folder
{
    fs::path path = fs::temp_directory_path() / ("retoscope-fuzz-names-" + std::to_string(::getpid()));
    Folder() { fs::create_directories(path); }
    ~Folder()
    {
        std::error_code code;
        fs::remove_all(path, code);
    }
};

void write(const fs::path &path, std::string_view bytes)
{
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size)
{
    using namespace retoscope;
    static const Folder folder;
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    const std::string name(text.substr(0, text.find('\n')));
    const auto hints = hintsFromName(name);
    if ((hints.entries && *hints.entries < 1) || (hints.dimension && *hints.dimension < 1))
        std::abort();
    if (name.size() == size || name.empty() || name.size() > 200 || name.find('/') != std::string::npos || name.find('\0') != std::string::npos || name[0] == '.')
        return 0;
    const auto bytes = text.substr(name.size() + 1);
    const std::size_t keyBytes = bytes.size() / 3 * 2;
    DatastoreSource source;
    source.keys = folder.path / name;
    source.values = folder.path / ".values";
    write(source.keys, bytes.substr(0, keyBytes));
    write(source.values, bytes.substr(keyBytes));
    if (!hints.dimension)
        source.dimension = 4;
    try {
        const DatastoreLayout layout = layoutOf(source);
        const std::uint64_t rowBytes = std::uint64_t(layout.dimension) * (layout.keyType == KeyType::Float16 ? 2 : 4);
        if (layout.entries < 1 || layout.keysOffset + std::uint64_t(layout.entries) * rowBytes > keyBytes)
            std::abort();
    } catch (const Error &) {
    }
    fs::remove(source.keys);
    return 0;
}
