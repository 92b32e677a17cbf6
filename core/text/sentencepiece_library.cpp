// SPDX-License-Identifier: GPL-3.0-or-later
#include "text/sentencepiece_library.h"

#include "base/error.h"

#include <dlfcn.h>
#include <link.h>

#include <filesystem>
#include <string_view>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr const char *moduleName = "libretoscope_sentencepiece.so";
constexpr const char *entryPoint = "retoscopeSentencePieceLibrary";

/// Its own symbols first: the point of the module. The sanitizers refuse the flag.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int scope = RTLD_NOW | RTLD_LOCAL;
#else
constexpr int scope = RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND;
#endif

fs::path modulePath()
{
    std::error_code code;
    const fs::path program = fs::read_symlink("/proc/self/exe", code);
    const fs::path installed = program.parent_path().parent_path() / RETOSCOPE_MODULE_FOLDER / moduleName;
    if (!code && fs::exists(installed, code))
        return installed;
    return RETOSCOPE_BUILT_SENTENCEPIECE_MODULE;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
/// Without a scope of its own the module would be bound to LibTorch's protobuf and crash.
void requireNoOtherProtobuf()
{
    const auto isProtobuf = [](dl_phdr_info *info, std::size_t, void *) { return std::string_view(info->dlpi_name).find("libprotobuf") != std::string_view::npos ? 1 : 0; };
    if (dl_iterate_phdr(isProtobuf, nullptr) != 0)
        fail(ErrorKind::Resource, "SentencePiece cannot be used beside LibTorch in a build with sanitizers; use a build without.");
}
#else
void requireNoOtherProtobuf() {}
#endif

const SentencePieceLibrary *loadModule()
{
    requireNoOtherProtobuf();
    const fs::path path = modulePath();
    void *handle = dlopen(path.c_str(), scope);
    void *function = handle ? dlsym(handle, entryPoint) : nullptr;
    if (!function)
        fail(ErrorKind::NotFound, "The SentencePiece module cannot be loaded ({}); build or install Retoscope again.", dlerror());
    return reinterpret_cast<const SentencePieceLibrary *(*)()>(function)();
}

} // namespace

const SentencePieceLibrary &sentencePieceLibrary()
{
    static const SentencePieceLibrary *const library = loadModule();
    return *library;
}

} // namespace retoscope
