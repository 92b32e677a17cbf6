// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/hash.h"

#include "base/error.h"
#include "base/mapped_file.h"

#include <openssl/evp.h>
#include <xxhash.h>

namespace retoscope {

struct Sha256::Context
{
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    ~Context() { EVP_MD_CTX_free(md); }
};

Sha256::Sha256() : m_context(std::make_unique<Context>())
{
    if (!m_context->md || EVP_DigestInit_ex(m_context->md, EVP_sha256(), nullptr) != 1)
        fail(ErrorKind::Resource, "SHA-256 cannot be started by the OpenSSL library; check its installation.");
}

Sha256::~Sha256() = default;

void Sha256::update(const void *data, std::size_t bytes)
{
    EVP_DigestUpdate(m_context->md, data, bytes);
}

std::string Sha256::hex()
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned int length = 0;
    EVP_DigestFinal_ex(m_context->md, digest, &length);
    std::string text;
    for (unsigned int i = 0; i < length; ++i)
        text += fmt::format("{:02x}", digest[i]);
    return text;
}

std::string sha256(std::string_view bytes)
{
    Sha256 hash;
    hash.update(bytes);
    return hash.hex();
}

std::string sha256OfFile(const std::filesystem::path &path)
{
    const MappedFile file(path, MappedFile::Access::Sequential);
    Sha256 hash;
    hash.update(file.bytes());
    return hash.hex();
}

std::uint64_t xxh3(const void *data, std::size_t bytes)
{
    return XXH3_64bits(data, bytes);
}

struct Xxh3::State
{
    XXH3_state_t *xxh = XXH3_createState();
    ~State() { XXH3_freeState(xxh); }
};

Xxh3::Xxh3() : m_state(std::make_unique<State>())
{
    XXH3_64bits_reset(m_state->xxh);
}

Xxh3::~Xxh3() = default;

void Xxh3::update(const void *data, std::size_t bytes)
{
    XXH3_64bits_update(m_state->xxh, data, bytes);
}

std::uint64_t Xxh3::digest() const
{
    return XXH3_64bits_digest(m_state->xxh);
}

std::string hex64(std::uint64_t value)
{
    return fmt::format("{:016x}", value);
}

} // namespace retoscope
