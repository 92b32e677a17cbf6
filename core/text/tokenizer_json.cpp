// SPDX-License-Identifier: GPL-3.0-or-later
// Readers of Hugging Face's tokenizer.json and of GPT-2's vocab.json + merges.txt. Both are hostile input.
#include "text/bpe_tokenizer.h"

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/manifest.h"
#include "text/utf8.h"

#include <algorithm>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::uint64_t maximalFileSize = 256u << 20;
constexpr std::string_view spaceMark = "\u2581";

// The pattern of GPT-2 (Radford et al. 2019, encoder.py), which a ByteLevel pre-tokenizer has built in.
constexpr std::string_view gpt2Pattern = R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

/// GPT-2 writes every byte as a printable character: itself where it is printable Latin-1, else U+0100 and following.
class ByteAlphabet
{
public:
    ByteAlphabet()
    {
        int next = 256;
        for (int byte = 0; byte < 256; ++byte) {
            const bool printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
            m_byteOf[static_cast<std::size_t>(printable ? byte : next++)] = byte;
        }
    }

    /// The bytes that a token of the vocabulary stands for; none when a character is not of the alphabet.
    [[nodiscard]] std::optional<std::string> bytes(std::string_view token) const
    {
        std::string result;
        for (std::size_t at = 0; at < token.size(); at += utf8Length(token[at])) {
            const auto lead = static_cast<unsigned char>(token[at]);
            const unsigned c = lead < 0x80 ? lead : utf8Length(token[at]) == 2 ? (lead & 31u) << 6 | (static_cast<unsigned char>(token[at + 1]) & 63u) : 0x10FFFFu;
            if (c >= m_byteOf.size() || m_byteOf[c] < 0)
                return std::nullopt;
            result += static_cast<char>(m_byteOf[c]);
        }
        return result;
    }

private:
    std::array<int, 512> m_byteOf = [] {
        std::array<int, 512> empty;
        empty.fill(-1);
        return empty;
    }();
};

std::string withSpaces(std::string_view token)
{
    std::string text(token);
    for (std::size_t at = text.find(spaceMark); at != std::string::npos; at = text.find(spaceMark, at + 1))
        text.replace(at, spaceMark.size(), 1, ' ');
    return text;
}

/// The byte of a token "<0xNN>"; −1 for others.
int byteOfName(std::string_view token)
{
    for (int byte = 0; token.size() == 6 && token.starts_with("<0x") && byte < 256; ++byte)
        if (token == fmt::format("<0x{:02X}>", byte))
            return byte;
    return -1;
}

/// Collects a BpeSpec from the parts of the files.
class Builder
{
public:
    explicit Builder(const fs::path &file) : m_file(file.string()) { m_spec.byteFallback.fill(-1); }

    [[noreturn]] void corrupt(const std::string &what) const
    {
        fail(ErrorKind::Corrupt, "{}: {}; the file is damaged, fetch it again.", m_file, what);
    }

    [[noreturn]] void refuse(const std::string &component) const
    {
        fail(ErrorKind::BadInput, "{}: {} cannot be reproduced exactly here; use a tokenizer without it.", m_file, component);
    }

    std::string take(const fs::path &file)
    {
        std::string bytes = readFile(file, maximalFileSize);
        m_spec.files.push_back(file);
        m_hash.update(sha256(bytes));
        return bytes;
    }

    Json takeJson(const fs::path &file)
    {
        Json json = Json::parse(take(file), nullptr, false);
        if (!json.is_object())
            corrupt(fmt::format("{} is not a JSON object", file.filename().string()));
        return json;
    }

    void readVocabulary(const Json &vocabulary, const Json &addedTokens, bool byteLevel, bool byteFallback)
    {
        if (!vocabulary.is_object() || vocabulary.empty())
            corrupt("the vocabulary is not an object with tokens");
        m_spec.byteUnits = byteLevel;
        // Ids may have gaps, but not so many that a small file asks for gigabytes.
        const std::size_t limit = 2 * (vocabulary.size() + addedTokens.size()) + 65536;
        for (const auto &[token, id] : vocabulary.items()) {
            const std::int32_t row = checkedId(id, token, limit);
            if (row < static_cast<std::int32_t>(m_spec.pieces.size()) && m_taken[static_cast<std::size_t>(row)])
                corrupt(fmt::format("two tokens have the id {}", row));
            reserve(row);
            m_taken[static_cast<std::size_t>(row)] = true;
            m_idOf.emplace(token, row);
            const int byte = byteFallback ? byteOfName(token) : -1;
            if (byte >= 0) {
                m_spec.byteFallback[static_cast<std::size_t>(byte)] = row;
                m_spec.byteTokens[static_cast<std::size_t>(row)] = true;
                m_spec.pieces[static_cast<std::size_t>(row)] = std::string(1, static_cast<char>(byte));
            } else {
                setPiece(token, row, byteLevel);
            }
        }
        if (byteFallback && std::find(m_spec.byteFallback.begin(), m_spec.byteFallback.end(), -1) != m_spec.byteFallback.end())
            refuse("byte_fallback with a vocabulary that lacks some of the tokens <0x00> to <0xFF>");
        m_limit = limit;
    }

    void addMerge(std::string_view left, std::string_view right, std::size_t number)
    {
        const auto id = [&](std::string_view token) {
            const auto found = m_idOf.find(token);
            if (found == m_idOf.end())
                corrupt(fmt::format("merge {} ('{}' and '{}') needs the token '{}', which is not in the vocabulary", number, left, right, token));
            return found->second;
        };
        const std::int32_t leftId = id(left), rightId = id(right);
        m_spec.merges.add(leftId, rightId, {static_cast<std::int32_t>(number), id(std::string(left) + std::string(right))});
    }

    void readMerges(const Json &merges)
    {
        if (!merges.is_array())
            corrupt("the merges are not a list");
        std::size_t number = 0;
        for (const Json &merge : merges) {
            if (merge.is_array() && merge.size() == 2) {
                addMerge(merge[0].get_ref<const std::string &>(), merge[1].get_ref<const std::string &>(), number++);
            } else {
                const std::string_view text = merge.get_ref<const std::string &>();
                addMergeLine(text, number++);
            }
        }
    }

    void addMergeLine(std::string_view line, std::size_t number)
    {
        const std::size_t space = line.find(' ');
        if (space == std::string_view::npos || line.find(' ', space + 1) != std::string_view::npos || space == 0 || space + 1 == line.size())
            corrupt(fmt::format("merge {} is '{}', not two tokens with a space between", number, line));
        addMerge(line.substr(0, space), line.substr(space + 1), number);
    }

    void addToken(AddedToken token, bool normalized)
    {
        reserve(token.id);
        const auto row = static_cast<std::size_t>(token.id);
        m_spec.special[row] = m_spec.special[row] || token.special;
        m_spec.pieces[row] = token.special ? std::string() : token.content;
        m_idOf.emplace(token.content, token.id);
        if (normalized) {
            AlignedText content(token.content, 0);
            for (const TextEdit &edit : m_spec.normalizers)
                edit(content);
            token.content = content.text;
            m_spec.addedNormalized.add(std::move(token));
        } else {
            m_spec.addedRaw.add(std::move(token));
        }
    }

    void readAddedTokens(const Json &tokens)
    {
        for (const Json &token : tokens) {
            const auto content = token.at("content").get<std::string>();
            if (token.value("single_word", false))
                refuse(fmt::format("the added token '{}' with single_word", content));
            addToken({.content = content,
                      .id = checkedId(token.at("id"), content, m_limit),
                      .special = token.value("special", false),
                      .stripLeft = token.value("lstrip", false),
                      .stripRight = token.value("rstrip", false)},
                     token.value("normalized", false));
        }
    }

    [[nodiscard]] std::optional<TokenId> idOf(std::string_view token) const
    {
        const auto found = m_idOf.find(token);
        return found == m_idOf.end() ? std::nullopt : std::optional(TokenId(found->second));
    }

    void readBosAndEos(const fs::path &configFile)
    {
        std::error_code code;
        if (!fs::is_regular_file(configFile, code))
            return;
        const Json config = takeJson(configFile);
        const auto named = [&](const char *field) -> std::optional<TokenId> {
            const auto found = config.find(field);
            if (found == config.end() || found->is_null())
                return std::nullopt;
            return idOf(found->is_object() ? found->at("content").get<std::string>() : found->get<std::string>());
        };
        m_spec.bos = named("bos_token");
        m_spec.eos = named("eos_token");
    }

    /// Without a tokenizer_config.json: the names that the model families use.
    void guessBosAndEos()
    {
        for (const char *name : {"<s>", "<|begin_of_text|>", "<bos>", "<|endoftext|>"})
            if (!m_spec.bos)
                m_spec.bos = idOf(name);
        for (const char *name : {"</s>", "<|end_of_text|>", "<eos>", "<|endoftext|>"})
            if (!m_spec.eos)
                m_spec.eos = idOf(name);
    }

    std::shared_ptr<const Tokenizer> make(std::string kind)
    {
        m_spec.kind = std::move(kind);
        for (const auto &id : {m_spec.bos, m_spec.eos})
            if (id) {
                m_spec.special[static_cast<std::size_t>(id->value)] = true;
                m_spec.pieces[static_cast<std::size_t>(id->value)].clear();
            }
        m_hash.update(m_spec.kind);
        m_spec.fingerprint = m_hash.hex();
        return makeBpeTokenizer(std::move(m_spec));
    }

    BpeSpec &spec() { return m_spec; }

private:
    std::int32_t checkedId(const Json &id, std::string_view token, std::size_t limit) const
    {
        if (!id.is_number_integer() || id.get<std::int64_t>() < 0 || id.get<std::int64_t>() >= static_cast<std::int64_t>(limit))
            corrupt(fmt::format("the token '{}' has the id {}, which is not a number below {}", token, id.dump().substr(0, 40), limit));
        return id.get<std::int32_t>();
    }

    void reserve(std::int32_t id)
    {
        const std::size_t size = std::max(m_spec.pieces.size(), static_cast<std::size_t>(id) + 1);
        m_spec.pieces.resize(size);
        m_spec.special.resize(size);
        m_spec.byteTokens.resize(size);
        m_taken.resize(size);
    }

    void setPiece(const std::string &token, std::int32_t row, bool byteLevel)
    {
        std::string &piece = m_spec.pieces[static_cast<std::size_t>(row)];
        if (!byteLevel) {
            piece = withSpaces(token);
            m_spec.vocabulary.emplace(token, row);
        } else if (auto bytes = m_alphabet.bytes(token)) {
            piece = *bytes;
            m_spec.vocabulary.emplace(std::move(*bytes), row);
        } else {
            piece = token; // can be decoded, but no word has such bytes
        }
    }

    std::string m_file;
    BpeSpec m_spec;
    StringMap<std::int32_t> m_idOf; ///< by the name in the file
    std::vector<bool> m_taken;
    std::size_t m_limit = 0;
    ByteAlphabet m_alphabet;
    Sha256 m_hash;
};

/// Reads the pipeline of a tokenizer.json, component by component.
class PipelineReader
{
public:
    explicit PipelineReader(Builder &builder) : m_builder(builder), m_spec(builder.spec()) {}

    void readNormalizer(const Json &normalizer)
    {
        if (normalizer.is_null())
            return;
        const std::string type = typeOf(normalizer);
        if (type == "Sequence") {
            for (const Json &step : normalizer.at("normalizers"))
                readNormalizer(step);
        } else if (type == "Prepend") {
            m_spec.normalizers.push_back(prependEdit(normalizer.at("prepend").get<std::string>()));
        } else if (type == "Replace") {
            const auto pattern = normalizer.at("pattern").find("String");
            if (pattern == normalizer.at("pattern").end() || pattern->get<std::string>().empty())
                m_builder.refuse("the normalizer Replace with a regular expression");
            m_spec.normalizers.push_back(replaceEdit(pattern->get<std::string>(), normalizer.at("content").get<std::string>()));
        } else if (type == "NFC" || type == "NFD" || type == "NFKC" || type == "NFKD") {
            m_spec.normalizers.push_back(unicodeEdit(type == "NFC" ? UnicodeForm::Nfc : type == "NFD" ? UnicodeForm::Nfd : type == "NFKC" ? UnicodeForm::Nfkc : UnicodeForm::Nfkd));
        } else {
            m_builder.refuse(fmt::format("the normalizer {}", type));
        }
    }

    void readPreTokenizer(const Json &step)
    {
        if (step.is_null())
            return;
        const std::string type = typeOf(step);
        if (type == "Sequence") {
            for (const Json &part : step.at("pretokenizers"))
                readPreTokenizer(part);
        } else if (type == "ByteLevel") {
            requireLastStep();
            m_byteLevel = true;
            if (step.value("add_prefix_space", true))
                addEdit(prependUnlessThereEdit(" ", false), "ByteLevel with add_prefix_space");
            if (step.value("use_regex", true))
                m_spec.splitters.emplace_back(gpt2Pattern);
        } else if (type == "Split") {
            requireLastStep();
            readSplit(step);
        } else if (type == "Digits") {
            requireLastStep();
            m_spec.splitters.emplace_back(step.value("individual_digits", false) ? R"(\p{N})" : R"(\p{N}+)");
        } else if (type == "Metaspace") {
            requireLastStep();
            readMetaspace(step);
        } else {
            m_builder.refuse(fmt::format("the pre-tokenizer {}", type));
        }
    }

    void readDecoder(const Json &decoder)
    {
        if (decoder.is_null())
            return;
        const std::string type = typeOf(decoder);
        if (type == "Sequence") {
            for (const Json &step : decoder.at("decoders"))
                readDecoder(step);
        } else if (type == "Strip") {
            if (decoder.at("content") != " " || decoder.at("start") != 1 || decoder.at("stop") != 0)
                m_builder.refuse("the decoder Strip of anything but one leading space");
            m_spec.stripsFirstSpace = true;
        } else if (type == "Metaspace") {
            m_spec.stripsFirstSpace = decoder.value("add_prefix_space", true) && decoder.value("prepend_scheme", std::string("always")) != "never";
        } else if (type == "Replace") {
            if (decoder.at("pattern").value("String", std::string()) != spaceMark || decoder.at("content") != " ")
                m_builder.refuse("the decoder Replace of anything but U+2581 by a space");
        } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Fuse") {
            m_builder.refuse(fmt::format("the decoder {}", type));
        }
    }

    [[nodiscard]] bool byteLevel() const { return m_byteLevel; }

private:
    static std::string typeOf(const Json &component) { return component.at("type").get<std::string>(); }

    /// After ByteLevel a text is written in GPT-2's alphabet, which later steps would split; nobody does that.
    void requireLastStep() const
    {
        if (m_byteLevel || m_metaspace)
            m_builder.refuse("a pre-tokenizer after ByteLevel or Metaspace");
    }

    /// Changes of the text come before all splitting here, so they must come first there.
    void addEdit(TextEdit edit, std::string_view component)
    {
        if (!m_spec.splitters.empty())
            m_builder.refuse(fmt::format("the pre-tokenizer {} after a split", component));
        m_spec.edits.push_back(std::move(edit));
    }

    void readSplit(const Json &step)
    {
        const auto behavior = step.at("behavior").get<std::string>();
        if (behavior != "Isolated")
            m_builder.refuse(fmt::format("the pre-tokenizer Split with behavior {}", behavior));
        const auto pattern = step.at("pattern").find("Regex");
        if (pattern == step.at("pattern").end())
            m_builder.refuse("the pre-tokenizer Split at a fixed string");
        m_spec.splitters.emplace_back(pattern->get<std::string>());
    }

    void readMetaspace(const Json &step)
    {
        const auto replacement = step.value("replacement", std::string(spaceMark));
        if (replacement != spaceMark)
            m_builder.refuse(fmt::format("the pre-tokenizer Metaspace with '{}'", replacement));
        const auto scheme = step.value("prepend_scheme", std::string(step.value("add_prefix_space", true) ? "always" : "never"));
        if (scheme != "always" && scheme != "first" && scheme != "never")
            m_builder.refuse(fmt::format("the pre-tokenizer Metaspace with prepend_scheme {}", scheme));
        addEdit(replaceEdit(" ", replacement), "Metaspace");
        if (scheme != "never")
            addEdit(prependUnlessThereEdit(replacement, scheme == "first"), "Metaspace");
        m_spec.splitEveryMark = step.value("split", true);
        m_metaspace = true;
    }

    Builder &m_builder;
    BpeSpec &m_spec;
    bool m_byteLevel = false, m_metaspace = false;
};

void readModel(const Json &model, Builder &builder, const PipelineReader &pipeline, const Json &addedTokens)
{
    const auto type = model.value("type", std::string("BPE"));
    if (type == "Unigram")
        builder.refuse("a Unigram model in JSON (read its SentencePiece file instead, spiece.model or tokenizer.model)");
    if (type != "BPE")
        builder.refuse(fmt::format("the model {}", type));
    const auto isSet = [&](const char *field) {
        const auto found = model.find(field);
        return found != model.end() && !found->is_null() && *found != "" && *found != 0.0;
    };
    for (const char *field : {"dropout", "continuing_subword_prefix", "end_of_word_suffix"})
        if (isSet(field))
            builder.refuse(fmt::format("the model's {}", field));
    const bool byteFallback = model.value("byte_fallback", false);
    builder.readVocabulary(model.at("vocab"), addedTokens, pipeline.byteLevel(), byteFallback && !pipeline.byteLevel());
    builder.readMerges(model.at("merges"));
    BpeSpec &spec = builder.spec();
    spec.fuseUnknown = model.value("fuse_unk", false);
    spec.wholeWords = model.value("ignore_merges", false);
    if (isSet("unk_token")) {
        const auto unknown = builder.idOf(model.at("unk_token").get<std::string>());
        if (!unknown)
            builder.corrupt("the unknown token is not in the vocabulary");
        spec.unknown = unknown->value;
        spec.special[static_cast<std::size_t>(unknown->value)] = true;
        spec.pieces[static_cast<std::size_t>(unknown->value)].clear();
    }
}

} // namespace

std::shared_ptr<const Tokenizer> loadTokenizerJson(const fs::path &file)
{
    Builder builder(file);
    try {
        const Json json = builder.takeJson(file);
        const Json null, none = Json::array();
        const auto field = [&](const char *name) -> const Json & {
            const auto found = json.find(name);
            return found == json.end() ? null : *found;
        };
        // Truncation, padding and the post-processor's special tokens are left to whoever builds token streams.
        PipelineReader pipeline(builder);
        pipeline.readNormalizer(field("normalizer"));
        pipeline.readPreTokenizer(field("pre_tokenizer"));
        pipeline.readDecoder(field("decoder"));
        const Json &added = field("added_tokens").is_array() ? field("added_tokens") : none;
        readModel(json.at("model"), builder, pipeline, added);
        builder.readAddedTokens(added);
        if (!pipeline.byteLevel())
            builder.spec().wordMark = spaceMark;
        const fs::path config = file.parent_path() / "tokenizer_config.json";
        std::error_code code;
        if (fs::is_regular_file(config, code))
            builder.readBosAndEos(config);
        else
            builder.guessBosAndEos();
        return builder.make(pipeline.byteLevel() ? "byte-level BPE" : "BPE");
    } catch (const Json::exception &) {
        builder.corrupt("a field is missing or has the wrong type");
    }
}

std::shared_ptr<const Tokenizer> loadVocabularyAndMerges(const fs::path &vocabulary, const fs::path &merges)
{
    Builder builder(vocabulary);
    builder.readVocabulary(builder.takeJson(vocabulary), Json::array(), true, false);
    const std::string lines = builder.take(merges);
    if (const std::size_t at = findInvalidUtf8(lines); at != std::string::npos)
        fail(ErrorKind::Corrupt, "{} is not valid UTF-8 at byte {}; fetch it again.", merges.string(), at);
    std::size_t number = 0;
    for (std::size_t at = 0; at < lines.size();) {
        const std::size_t end = std::min(lines.find('\n', at), lines.size());
        std::string_view line = std::string_view(lines).substr(at, end - at);
        if (line.ends_with('\r'))
            line.remove_suffix(1);
        if (!line.empty() && !(at == 0 && line.starts_with("#version")))
            builder.addMergeLine(line, number++);
        at = end + 1;
    }
    builder.spec().splitters.emplace_back(gpt2Pattern);
    if (const auto end = builder.idOf("<|endoftext|>"))
        builder.addToken({.content = "<|endoftext|>", .id = end->value, .special = true}, false);
    builder.guessBosAndEos();
    return builder.make("byte-level BPE");
}

} // namespace retoscope
