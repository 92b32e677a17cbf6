// SPDX-License-Identifier: GPL-3.0-or-later
#include "model/training_state.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/mapped_file.h"

#include <cstring>

namespace retoscope {

namespace {

/// The file: this prefix, the header's JSON, three arrays of `count` floats, and the XXH3 of all that.
struct Prefix
{
    char magic[8] = {'R', 'S', 'C', 'T', 'R', 'A', 'I', 'N'};
    std::uint32_t version = 1;
    std::uint32_t headerBytes = 0;
    std::uint64_t count = 0;
};

/// Writes and hashes.
class HashedFile
{
public:
    explicit HashedFile(const std::filesystem::path &path) : m_file(path) {}

    void write(const void *data, std::size_t bytes)
    {
        m_hash.update(data, bytes);
        m_file.write(data, bytes);
    }
    void commit()
    {
        const std::uint64_t digest = m_hash.digest();
        m_file.write(&digest, sizeof digest);
        m_file.commit();
    }

private:
    AtomicFile m_file;
    Xxh3 m_hash;
};

[[noreturn]] void failDamaged(const std::filesystem::path &path)
{
    fail(ErrorKind::Corrupt, "{} is damaged; delete it to train from the start.", path.string());
}

} // namespace

void saveTrainingState(const std::filesystem::path &path, const TrainingState &state)
{
    const std::string header = state.header.dump();
    Prefix prefix;
    prefix.headerBytes = static_cast<std::uint32_t>(header.size());
    prefix.count = state.values.size();
    HashedFile file(path);
    file.write(&prefix, sizeof prefix);
    file.write(header.data(), header.size());
    for (const std::vector<float> *array : {&state.values, &state.firstMoment, &state.secondMoment})
        file.write(array->data(), array->size() * sizeof(float));
    file.commit();
}

std::optional<TrainingState> loadTrainingState(const std::filesystem::path &path)
{
    if (!std::filesystem::exists(path))
        return std::nullopt;
    const MappedFile file(path, MappedFile::Access::Sequential);
    Prefix prefix;
    const Prefix expected;
    if (file.size() < sizeof prefix + sizeof(std::uint64_t))
        failDamaged(path);
    std::memcpy(&prefix, file.bytes().data(), sizeof prefix);
    if (std::memcmp(prefix.magic, expected.magic, sizeof prefix.magic) != 0)
        failDamaged(path);
    if (prefix.version > expected.version)
        fail(ErrorKind::BadInput,
             "{} was written by a newer version of Retoscope; continue the training with that one.", path.string());
    const std::uint64_t body = file.size() - sizeof(std::uint64_t);
    if (prefix.count > file.size() / (3 * sizeof(float)) ||
        sizeof prefix + prefix.headerBytes + 3 * prefix.count * sizeof(float) != body)
        failDamaged(path);
    std::uint64_t digest;
    std::memcpy(&digest, file.bytes().data() + body, sizeof digest);
    if (digest != xxh3(file.bytes().data(), body))
        failDamaged(path);

    TrainingState state;
    const auto *at = reinterpret_cast<const char *>(file.bytes().data()) + sizeof prefix;
    state.header = Json::parse(at, at + prefix.headerBytes);
    at += prefix.headerBytes;
    for (std::vector<float> *array : {&state.values, &state.firstMoment, &state.secondMoment}) {
        array->resize(prefix.count);
        std::memcpy(array->data(), at, prefix.count * sizeof(float));
        at += prefix.count * sizeof(float);
    }
    return state;
}

} // namespace retoscope
