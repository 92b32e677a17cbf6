// SPDX-License-Identifier: GPL-3.0-or-later
#include "base/pickle.h"

#include "base/error.h"
#include "base/npy.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>
#include <map>
#include <optional>

namespace retoscope {

namespace {

// A pickled matrix takes some 150 opcodes and half as many objects.
constexpr std::size_t maximalOpcodes = 1 << 20;
constexpr std::size_t maximalMemo = 1 << 16;
constexpr std::size_t maximalStack = 1 << 16;
constexpr std::size_t maximalNumberText = 64; ///< characters of a number in protocol 0

/// Objects refer to one another by their place in the reader's table, so cycles and depth cost nothing.
using Ref = std::uint32_t;

struct None
{
};
struct Global
{
    std::string module, name;
};
struct Text ///< UTF-8
{
    std::string_view text;
    std::shared_ptr<const void> owner;
};
struct Bytes
{
    std::span<const std::byte> bytes;
    std::shared_ptr<const void> owner;
};
struct Tuple
{
    std::vector<Ref> items;
};
struct List
{
    std::vector<Ref> items;
};
struct Dict
{
    std::vector<std::pair<Ref, Ref>> items;
};
struct DataType ///< numpy.dtype
{
    std::string type; ///< without byte order
    bool ordered = false;
};
struct Matrix ///< a csr_matrix before and after its state is set
{
    std::optional<Ref> state;
};

using Object = std::variant<None, bool, std::int64_t, double, Global, Text, Bytes, Tuple, List, Dict, DataType, PickledArray, Matrix>;

bool isHostBigEndian()
{
    return std::endian::native == std::endian::big;
}

std::span<const std::byte> asBytes(std::string_view text)
{
    return std::as_bytes(std::span(text.data(), text.size()));
}

enum class Known { Unknown, NdArray, DataType, Reconstruct, FromBuffer, Scalar, Csr, Encode, EmptyBytes, Reconstructor, NewObject, BaseObject };

/// The allow-list. NumPy 2 moved numpy.core to numpy._core, SciPy 1.8 moved csr to _csr, and protocols below 3 use Python 2's names.
Known knownGlobal(const Global &global)
{
    struct Entry
    {
        std::string_view module, name;
        Known known;
    };
    static constexpr Entry entries[] = {
        {"numpy", "ndarray", Known::NdArray},
        {"numpy", "dtype", Known::DataType},
        {"numpy.core.multiarray", "_reconstruct", Known::Reconstruct},
        {"numpy._core.multiarray", "_reconstruct", Known::Reconstruct},
        {"numpy.core.multiarray", "scalar", Known::Scalar},
        {"numpy._core.multiarray", "scalar", Known::Scalar},
        {"numpy.core.numeric", "_frombuffer", Known::FromBuffer},
        {"numpy._core.numeric", "_frombuffer", Known::FromBuffer},
        {"scipy.sparse.csr", "csr_matrix", Known::Csr},
        {"scipy.sparse._csr", "csr_matrix", Known::Csr},
        {"scipy.sparse._csr", "csr_array", Known::Csr},
        {"scipy.sparse._arrays", "csr_array", Known::Csr},
        {"_codecs", "encode", Known::Encode},
        {"__builtin__", "bytes", Known::EmptyBytes},
        {"builtins", "bytes", Known::EmptyBytes},
        {"copy_reg", "_reconstructor", Known::Reconstructor},
        {"copyreg", "_reconstructor", Known::Reconstructor},
        {"copy_reg", "__newobj__", Known::NewObject},
        {"copyreg", "__newobj__", Known::NewObject},
        {"__builtin__", "object", Known::BaseObject},
        {"builtins", "object", Known::BaseObject},
    };
    const auto entry = std::ranges::find_if(entries, [&](const Entry &e) { return e.module == global.module && e.name == global.name; });
    return entry == std::end(entries) ? Known::Unknown : entry->known;
}

class Reader
{
public:
    Reader(std::span<const std::byte> bytes, std::string_view name) : m_bytes(bytes), m_name(name) {}

    Pickled read()
    {
        std::size_t opcodes = 0;
        while (const auto opcode = take<std::uint8_t>()) {
            if (opcode == '.')
                return result(pop());
            if (++opcodes > maximalOpcodes)
                fail(ErrorKind::BadInput, "{} holds more than {} objects, which no pickled array or sparse matrix does; pickle the matrix alone.", m_name, maximalOpcodes);
            execute(opcode);
        }
        corrupt("it has an opcode 0");
    }

private:
    // -------------------------------------------------------------------------------------------------------- bytes

    [[noreturn]] void corrupt(std::string_view what) const
    {
        fail(ErrorKind::Corrupt, "{} is a damaged pickle: {} (near byte {}); write it again with pickle.dump.", m_name, what, m_at);
    }
    [[noreturn]] void unsupported(std::string_view what) const
    {
        fail(ErrorKind::BadInput, "{} holds {}; only NumPy arrays and SciPy CSR matrices are read from pickles, save the array with numpy.save.", m_name, what);
    }

    std::string_view takeText(std::uint64_t length)
    {
        if (length > m_bytes.size() - m_at)
            fail(ErrorKind::Corrupt, "{} promises {} bytes at byte {}, but only {} follow; the file is truncated, copy it again.", m_name, length, m_at,
                 m_bytes.size() - m_at);
        const auto *begin = reinterpret_cast<const char *>(m_bytes.data()) + m_at;
        m_at += static_cast<std::size_t>(length);
        return {begin, static_cast<std::size_t>(length)};
    }
    template<typename T>
    T take()
    {
        T value;
        std::memcpy(&value, takeText(sizeof(T)).data(), sizeof(T));
        return value;
    }
    std::string_view takeLine()
    {
        const auto *begin = reinterpret_cast<const char *>(m_bytes.data()) + m_at;
        const auto *end = static_cast<const char *>(std::memchr(begin, '\n', m_bytes.size() - m_at));
        if (!end)
            corrupt("a line does not end");
        m_at += static_cast<std::size_t>(end - begin) + 1;
        return {begin, static_cast<std::size_t>(end - begin)};
    }
    std::int64_t integerFrom(std::string_view text)
    {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error != std::errc() || end != text.data() + text.size())
            corrupt("a number cannot be read");
        return value;
    }
    /// Two's complement, little-endian, of any length.
    std::int64_t takeLong(std::uint64_t length)
    {
        const auto text = takeText(length);
        if (text.size() > sizeof(std::int64_t))
            unsupported("an integer of more than 64 bits");
        std::uint64_t value = !text.empty() && (static_cast<unsigned char>(text.back()) & 0x80) ? ~std::uint64_t(0) : 0;
        std::memcpy(&value, text.data(), text.size());
        return static_cast<std::int64_t>(value);
    }
    /// Memory for text that had to be decoded: together no more than a few times the file, however often it is asked for.
    std::shared_ptr<std::string> makeText(std::size_t size)
    {
        m_decoded += size;
        if (m_decoded > 4 * m_bytes.size() + 4096)
            corrupt("it decodes the same text again and again");
        auto text = std::make_shared<std::string>();
        text->reserve(size);
        return text;
    }

    // -------------------------------------------------------------------------------------------------------- stack

    Ref make(Object object)
    {
        m_objects.push_back(std::move(object));
        return static_cast<Ref>(m_objects.size() - 1);
    }
    void push(Ref ref)
    {
        if (m_stack.size() >= maximalStack)
            fail(ErrorKind::BadInput, "{} needs a stack of more than {} objects, which no pickled array or sparse matrix does; pickle the matrix alone.", m_name, maximalStack);
        m_stack.push_back(ref);
    }
    void pushNew(Object object) { push(make(std::move(object))); }
    Ref pop()
    {
        if (m_stack.size() <= (m_marks.empty() ? 0 : m_marks.back()))
            corrupt("its stack runs empty");
        const Ref ref = m_stack.back();
        m_stack.pop_back();
        return ref;
    }
    Ref top()
    {
        const Ref ref = pop();
        m_stack.push_back(ref);
        return ref;
    }
    std::vector<Ref> popToMark()
    {
        if (m_marks.empty())
            corrupt("a mark is missing");
        const auto begin = m_stack.begin() + static_cast<std::ptrdiff_t>(m_marks.back());
        std::vector<Ref> items(begin, m_stack.end());
        m_stack.erase(begin, m_stack.end());
        m_marks.pop_back();
        return items;
    }
    void remember(std::uint64_t slot)
    {
        if (slot >= maximalMemo)
            fail(ErrorKind::BadInput, "{} remembers an object under the number {}, which no pickled array or sparse matrix needs; pickle the matrix alone.", m_name, slot);
        m_memo[slot] = top();
    }
    void recall(std::uint64_t slot)
    {
        const auto known = m_memo.find(slot);
        if (known == m_memo.end())
            corrupt("it refers to an object that it did not remember");
        push(known->second);
    }

    template<typename T>
    const T &as(Ref ref, std::string_view what) const
    {
        const T *value = std::get_if<T>(&m_objects[ref]);
        if (!value)
            corrupt(fmt::format("{} is of the wrong kind", what));
        return *value;
    }
    template<typename T>
    T *get(Ref ref)
    {
        return std::get_if<T>(&m_objects[ref]);
    }
    /// A Python int, bool or NumPy integer scalar.
    std::int64_t integer(Ref ref, std::string_view what) const
    {
        if (const auto *value = std::get_if<std::int64_t>(&m_objects[ref]))
            return *value;
        return as<bool>(ref, what) ? 1 : 0;
    }
    /// Python 2 wrote its str as bytes.
    std::string_view text(Ref ref, std::string_view what) const
    {
        if (const auto *bytes = std::get_if<Bytes>(&m_objects[ref]))
            return {reinterpret_cast<const char *>(bytes->bytes.data()), bytes->bytes.size()};
        return as<Text>(ref, what).text;
    }

    // ------------------------------------------------------------------------------------------------------ opcodes

    void execute(std::uint8_t opcode)
    {
        switch (opcode) {
        case 0x80: // PROTO
            if (const auto protocol = take<std::uint8_t>(); protocol > 5)
                fail(ErrorKind::BadInput, "{} is a pickle of protocol {}; protocols 0 to 5 can be read.", m_name, protocol);
            break;
        case 0x95: // FRAME
            if (const auto length = take<std::uint64_t>(); length > m_bytes.size() - m_at)
                fail(ErrorKind::Corrupt, "{} promises a frame of {} bytes at byte {}, but only {} follow; the file is truncated, copy it again.", m_name, length, m_at,
                     m_bytes.size() - m_at);
            break;
        case 'N': // NONE
            pushNew(None{});
            break;
        case 0x88: // NEWTRUE
            pushNew(true);
            break;
        case 0x89: // NEWFALSE
            pushNew(false);
            break;
        case 'I': // INT, and the booleans of protocols 0 and 1
            if (const auto line = takeLine(); line == "00" || line == "01")
                pushNew(line == "01");
            else
                pushNew(integerFrom(line.substr(0, maximalNumberText)));
            break;
        case 'L': // LONG
            if (auto line = takeLine(); true) {
                if (line.ends_with('L'))
                    line.remove_suffix(1);
                pushNew(integerFrom(line.substr(0, maximalNumberText)));
            }
            break;
        case 'J': // BININT
            pushNew(std::int64_t(take<std::int32_t>()));
            break;
        case 'K': // BININT1
            pushNew(std::int64_t(take<std::uint8_t>()));
            break;
        case 'M': // BININT2
            pushNew(std::int64_t(take<std::uint16_t>()));
            break;
        case 0x8a: // LONG1
            pushNew(takeLong(take<std::uint8_t>()));
            break;
        case 0x8b: // LONG4
            pushNew(takeLong(take<std::uint32_t>()));
            break;
        case 'F': // FLOAT
            pushNew(floatFrom(takeLine()));
            break;
        case 'G': // BINFLOAT, big-endian; no number that matters here
            take<double>();
            pushNew(0.0);
            break;
        case 'U': // SHORT_BINSTRING
        case 'C': // SHORT_BINBYTES
            pushBytes(take<std::uint8_t>());
            break;
        case 'T': // BINSTRING
        case 'B': // BINBYTES
            pushBytes(take<std::uint32_t>());
            break;
        case 0x8e: // BINBYTES8
        case 0x96: // BYTEARRAY8
            pushBytes(take<std::uint64_t>());
            break;
        case 'S': // STRING
            pushQuoted(takeLine());
            break;
        case 0x8c: // SHORT_BINUNICODE
            pushNew(Text{takeText(take<std::uint8_t>()), {}});
            break;
        case 'X': // BINUNICODE
            pushNew(Text{takeText(take<std::uint32_t>()), {}});
            break;
        case 0x8d: // BINUNICODE8
            pushNew(Text{takeText(take<std::uint64_t>()), {}});
            break;
        case 'V': // UNICODE
            pushRawUnicode(takeLine());
            break;
        default:
            executeContainer(opcode);
        }
    }

    void executeContainer(std::uint8_t opcode)
    {
        switch (opcode) {
        case '(': // MARK
            if (m_marks.size() >= maximalStack)
                corrupt("it has too many marks");
            m_marks.push_back(m_stack.size());
            break;
        case ')': // EMPTY_TUPLE
            pushNew(Tuple{});
            break;
        case ']': // EMPTY_LIST
            pushNew(List{});
            break;
        case '}': // EMPTY_DICT
            pushNew(Dict{});
            break;
        case 't': // TUPLE
            pushTuple(popToMark());
            break;
        case 0x85: // TUPLE1, 2, 3
        case 0x86:
        case 0x87:
            pushTuple(popItems(opcode - 0x84u));
            break;
        case 'l': // LIST
            if (auto items = popToMark(); true)
                pushNew(List{std::move(items)});
            break;
        case 'd': // DICT
            if (const auto items = popToMark(); true) {
                pushNew(Dict{});
                setItems(top(), items);
            }
            break;
        case 'a': // APPEND
            append(popItems(1));
            break;
        case 'e': // APPENDS
            append(popToMark());
            break;
        case 's': // SETITEM
            if (const auto items = popItems(2); true)
                setItems(top(), items);
            break;
        case 'u': // SETITEMS
            if (const auto items = popToMark(); true)
                setItems(top(), items);
            break;
        case '0': // POP, also of a mark
            if (!m_marks.empty() && m_marks.back() == m_stack.size())
                m_marks.pop_back();
            else
                pop();
            break;
        case '1': // POP_MARK
            popToMark();
            break;
        case '2': // DUP
            push(top());
            break;
        case 'p': // PUT
            remember(static_cast<std::uint64_t>(integerFrom(takeLine())));
            break;
        case 'q': // BINPUT
            remember(take<std::uint8_t>());
            break;
        case 'r': // LONG_BINPUT
            remember(take<std::uint32_t>());
            break;
        case 0x94: // MEMOIZE
            remember(m_memo.size());
            break;
        case 'g': // GET
            recall(static_cast<std::uint64_t>(integerFrom(takeLine())));
            break;
        case 'h': // BINGET
            recall(take<std::uint8_t>());
            break;
        case 'j': // LONG_BINGET
            recall(take<std::uint32_t>());
            break;
        default:
            executeBuilding(opcode);
        }
    }

    void executeBuilding(std::uint8_t opcode)
    {
        switch (opcode) {
        case 'c': { // GLOBAL
            const auto module = takeLine();
            pushGlobal(module, takeLine());
            break;
        }
        case 0x93: { // STACK_GLOBAL
            const Ref name = pop(), module = pop();
            pushGlobal(text(module, "the module of a global"), text(name, "the name of a global"));
            break;
        }
        case 'R': { // REDUCE
            const Ref arguments = pop(), callable = pop();
            push(call(callable, as<Tuple>(arguments, "the arguments of a call").items));
            break;
        }
        case 0x81: { // NEWOBJ
            const Ref arguments = pop(), type = pop();
            push(makeNew(type, as<Tuple>(arguments, "the arguments of a new object").items));
            break;
        }
        case 0x92: { // NEWOBJ_EX
            const Ref keywords = pop(), arguments = pop(), type = pop();
            if (!as<Dict>(keywords, "the keywords of a new object").items.empty())
                unsupported("an object that is made with keyword arguments");
            push(makeNew(type, as<Tuple>(arguments, "the arguments of a new object").items));
            break;
        }
        case 'b': { // BUILD
            const Ref state = pop();
            setState(top(), state);
            break;
        }
        case 0x97: // NEXT_BUFFER
        case 0x98: // READONLY_BUFFER
            unsupported("an array whose data lie outside the file (protocol 5 with a buffer callback)");
        case 0x8f: // EMPTY_SET
        case 0x90: // ADDITEMS
        case 0x91: // FROZENSET
            unsupported("a Python set");
        case 'P': // PERSID
        case 'Q': // BINPERSID
            unsupported("a persistent id");
        case 0x82: // EXT1, EXT2, EXT4
        case 0x83:
        case 0x84:
            unsupported("an extension code");
        case 'i': { // INST
            const auto module = takeLine();
            refuseGlobal({std::string(module), std::string(takeLine())});
        }
        case 'o': // OBJ
            unsupported("an instance of an old-style class");
        default:
            corrupt(fmt::format("it has an unknown opcode {:#04x}", opcode));
        }
    }

    // ------------------------------------------------------------------------------------------------ plain objects

    double floatFrom(std::string_view line)
    {
        double value = 0;
        const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), value);
        if (error != std::errc() || end != line.data() + line.size())
            corrupt("a number cannot be read");
        return value;
    }
    void pushBytes(std::uint64_t length) { pushNew(Bytes{asBytes(takeText(length)), {}}); }
    void pushTuple(std::vector<Ref> items) { pushNew(Tuple{std::move(items)}); }
    std::vector<Ref> popItems(std::size_t count)
    {
        std::vector<Ref> items(count);
        for (std::size_t i = count; i-- > 0;)
            items[i] = pop();
        return items;
    }
    void append(const std::vector<Ref> &items)
    {
        List *list = get<List>(top());
        if (!list)
            corrupt("it appends to something that is no list");
        list->items.insert(list->items.end(), items.begin(), items.end());
    }
    void setItems(Ref target, const std::vector<Ref> &items)
    {
        Dict *dict = get<Dict>(target);
        if (!dict || items.size() % 2 != 0)
            corrupt("it sets items of something that is no dictionary");
        for (std::size_t i = 0; i < items.size(); i += 2)
            dict->items.emplace_back(items[i], items[i + 1]);
    }
    std::optional<Ref> find(const Dict &dict, std::string_view key) const
    {
        std::optional<Ref> found;
        for (const auto &[name, value] : dict.items) {
            const auto *known = std::get_if<Text>(&m_objects[name]);
            const auto *bytes = std::get_if<Bytes>(&m_objects[name]);
            if ((known || bytes) && text(name, "a key") == key)
                found = value;
        }
        return found;
    }

    int hexadecimalDigit(char c)
    {
        if (c >= '0' && c <= '9')
            return c - '0';
        c |= 0x20;
        if (c < 'a' || c > 'f')
            corrupt("a text has a wrong escape");
        return c - 'a' + 10;
    }
    std::uint32_t hexadecimal(std::string_view line, std::size_t at, std::size_t digits)
    {
        if (digits > line.size() - std::min(at, line.size()))
            corrupt("a text has a wrong escape");
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < digits; ++i)
            value = value << 4 | static_cast<std::uint32_t>(hexadecimalDigit(line[at + i]));
        return value;
    }
    static void appendUtf8(std::string &out, std::uint32_t point)
    {
        if (point < 0x80) {
            out += static_cast<char>(point);
            return;
        }
        const int rest = point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
        static constexpr std::uint32_t lead[] = {0, 0xc0, 0xe0, 0xf0};
        out += static_cast<char>(lead[rest] | (point >> (6 * rest)));
        for (int i = rest; i-- > 0;)
            out += static_cast<char>(0x80 | ((point >> (6 * i)) & 0x3f));
    }
    /// Protocol 0: Latin-1 with \uXXXX and \UXXXXXXXX.
    void pushRawUnicode(std::string_view line)
    {
        const auto out = makeText(2 * line.size());
        for (std::size_t at = 0; at < line.size();) {
            const std::size_t digits = line[at] != '\\' || at + 1 >= line.size() ? 0 : line[at + 1] == 'u' ? 4 : line[at + 1] == 'U' ? 8 : 0;
            const std::uint32_t point = digits ? hexadecimal(line, at + 2, digits) : static_cast<unsigned char>(line[at]);
            if (point > 0x10ffff)
                corrupt("a text has a wrong escape");
            appendUtf8(*out, point);
            at += digits ? digits + 2 : 1;
        }
        pushNew(Text{*out, out});
    }
    /// Protocol 0 of Python 2: a quoted string with Python's escapes.
    void pushQuoted(std::string_view line)
    {
        if (line.size() < 2 || (line.front() != '\'' && line.front() != '"') || line.back() != line.front())
            corrupt("a string is not quoted");
        line = line.substr(1, line.size() - 2);
        const auto out = makeText(line.size());
        for (std::size_t at = 0; at < line.size(); ++at) {
            if (line[at] != '\\') {
                *out += line[at];
                continue;
            }
            if (++at >= line.size())
                corrupt("a string has a wrong escape");
            static constexpr std::string_view letters = "\\'\"abfnrtv", meanings = "\\'\"\a\b\f\n\r\t\v";
            if (const auto letter = letters.find(line[at]); letter != std::string_view::npos) {
                *out += meanings[letter];
            } else if (line[at] == 'x') {
                *out += static_cast<char>(hexadecimal(line, at + 1, 2));
                at += 2;
            } else {
                corrupt("a string has a wrong escape");
            }
        }
        pushNew(Bytes{asBytes(*out), out});
    }

    // ------------------------------------------------------------------------------------- NumPy's and SciPy's objects

    [[noreturn]] void refuseGlobal(const Global &global) const
    {
        constexpr std::size_t longest = 100;
        fail(ErrorKind::BadInput,
             "{} wants the Python global '{}.{}', which is not loaded: only NumPy arrays and SciPy CSR matrices are read from pickles; save the array with numpy.save.",
             m_name, global.module.substr(0, longest), global.name.substr(0, longest));
    }
    void pushGlobal(std::string_view module, std::string_view name)
    {
        Global global{std::string(module), std::string(name)};
        if (knownGlobal(global) == Known::Unknown)
            refuseGlobal(global);
        pushNew(std::move(global));
    }
    void requireArguments(const std::vector<Ref> &arguments, std::size_t least, std::size_t most, std::string_view what) const
    {
        if (arguments.size() < least || arguments.size() > most)
            corrupt(fmt::format("{} has {} arguments", what, arguments.size()));
    }

    Ref call(Ref callable, const std::vector<Ref> &arguments)
    {
        const Global &global = as<Global>(callable, "what is called");
        switch (knownGlobal(global)) {
        case Known::Reconstruct: // (type, (0,), b"b"): an empty array whose state follows
            requireArguments(arguments, 3, 3, "an array");
            return makeNew(arguments[0], {});
        case Known::DataType: // ("i4", False, True): the byte order follows as state
            requireArguments(arguments, 1, 3, "a dtype");
            return make(dataTypeFrom(text(arguments[0], "the name of a dtype")));
        case Known::FromBuffer: // (buffer, dtype, shape, order)
            requireArguments(arguments, 4, 4, "an array");
            if (text(arguments[3], "the order of an array") != "C")
                unsupported("an array in Fortran order");
            return make(arrayFrom(arguments[2], arguments[1], arguments[0]));
        case Known::Scalar: // (dtype, bytes)
            requireArguments(arguments, 2, 2, "a NumPy number");
            return make(scalarFrom(arguments[0], as<Bytes>(arguments[1], "a NumPy number")));
        case Known::Encode: // ("…", "latin1"): how bytes are written before protocol 3
            requireArguments(arguments, 2, 2, "a byte string");
            if (const auto coding = text(arguments[1], "the encoding of a byte string"); coding != "latin1" && coding != "latin-1")
                unsupported(fmt::format("a byte string in the encoding '{}'", coding.substr(0, 40)));
            return make(latin1From(as<Text>(arguments[0], "a byte string").text));
        case Known::EmptyBytes:
            requireArguments(arguments, 0, 0, "an empty byte string");
            return make(Bytes{});
        case Known::Reconstructor: // (type, object, None)
            requireArguments(arguments, 3, 3, "an object");
            return makeNew(arguments[0], {});
        case Known::NewObject:
            requireArguments(arguments, 1, 1, "an object");
            return makeNew(arguments[0], {});
        default:
            unsupported(fmt::format("a call of '{}.{}'", global.module, global.name));
        }
    }

    Ref makeNew(Ref type, const std::vector<Ref> &arguments)
    {
        const Global &global = as<Global>(type, "the type of a new object");
        if (!arguments.empty())
            unsupported(fmt::format("a '{}.{}' that is made with arguments", global.module, global.name));
        switch (knownGlobal(global)) {
        case Known::NdArray:
            return make(PickledArray{});
        case Known::Csr:
            return make(Matrix{});
        default:
            unsupported(fmt::format("an object of the type '{}.{}'", global.module, global.name));
        }
    }

    DataType dataTypeFrom(std::string_view name) const
    {
        static constexpr std::string_view known[] = {"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"};
        const bool ordered = name.size() == 3 && (name[0] == '<' || name[0] == '|');
        const auto plain = ordered ? name.substr(1) : name;
        if (std::ranges::find(known, plain) == std::end(known))
            unsupported(fmt::format("values of the type '{}'", name.substr(0, 40)));
        return {std::string(plain), ordered};
    }

    void setState(Ref target, Ref state)
    {
        if (get<DataType>(target)) {
            setDataTypeState(target, as<Tuple>(state, "the state of a dtype").items);
        } else if (get<PickledArray>(target)) { // (1, shape, dtype, Fortran order, data)
            const auto &items = as<Tuple>(state, "the state of an array").items;
            requireArguments(items, 5, 5, "the state of an array");
            if (integer(items[3], "the order of an array") != 0)
                unsupported("an array in Fortran order");
            PickledArray array = arrayFrom(items[1], items[2], items[4]);
            m_objects[target] = std::move(array);
        } else if (Matrix *matrix = get<Matrix>(target)) {
            as<Dict>(state, "the state of a sparse matrix");
            matrix->state = state;
        } else {
            corrupt("it sets the state of something that has none");
        }
    }

    /// (3 or 4, byte order, None, None, None, −1, −1, 0 …)
    void setDataTypeState(Ref target, const std::vector<Ref> &items)
    {
        if (items.size() < 5)
            corrupt("the state of a dtype is too short");
        const auto order = text(items[1], "the byte order of a dtype");
        if (order == ">" || (order == "=" && isHostBigEndian()))
            unsupported("big-endian values");
        if (order != "<" && order != "|" && order != "=")
            corrupt("the byte order of a dtype is unknown");
        for (std::size_t i = 2; i < 5; ++i) {
            if (!std::holds_alternative<None>(m_objects[items[i]]))
                unsupported("an array of records");
        }
        std::get<DataType>(m_objects[target]).ordered = true;
    }

    std::vector<std::int64_t> shapeFrom(Ref ref) const
    {
        const auto &items = as<Tuple>(ref, "the shape of an array").items;
        constexpr std::size_t mostDimensions = 32;
        if (items.size() > mostDimensions)
            corrupt("an array has too many dimensions");
        std::vector<std::int64_t> shape;
        for (const Ref item : items) {
            shape.push_back(integer(item, "the shape of an array"));
            if (shape.back() < 0)
                corrupt("an array has a negative extent");
        }
        return shape;
    }

    PickledArray arrayFrom(Ref shapeRef, Ref typeRef, Ref dataRef) const
    {
        const DataType &type = as<DataType>(typeRef, "the dtype of an array");
        const auto &data = as<Bytes>(dataRef, "the data of an array");
        PickledArray array{type.type, shapeFrom(shapeRef), data.bytes, data.owner};
        const std::size_t itemSize = itemSizeOf(type);
        std::uint64_t count = 1; // never more than the bytes that are there
        for (const std::int64_t extent : array.shape) {
            const std::uint64_t e = static_cast<std::uint64_t>(extent);
            if (e != 0 && count > data.bytes.size() / e)
                count = data.bytes.size() + 1;
            else
                count *= e;
        }
        if (count > data.bytes.size() || count * itemSize != data.bytes.size())
            fail(ErrorKind::Corrupt, "{}: an array of the shape ({}) and the type {} does not take the {} bytes that it has; write it again with pickle.dump.", m_name,
                 fmt::join(array.shape, ", "), type.type, data.bytes.size());
        return array;
    }
    std::size_t itemSizeOf(const DataType &type) const
    {
        const auto size = static_cast<std::size_t>(type.type[1] - '0');
        if (size > 1 && !type.ordered)
            corrupt("a dtype has no byte order");
        return size;
    }
    Object scalarFrom(Ref typeRef, const Bytes &bytes) const
    {
        const DataType &type = as<DataType>(typeRef, "the dtype of a NumPy number");
        if (bytes.bytes.size() != itemSizeOf(type))
            corrupt("a NumPy number has the wrong size");
        if (type.type[0] == 'f')
            return 0.0;
        return widenIntegers(type.type, bytes.bytes, m_name).front();
    }
    Bytes latin1From(std::string_view utf8)
    {
        const auto out = makeText(utf8.size());
        for (std::size_t i = 0; i < utf8.size(); ++i) {
            const auto byte = static_cast<unsigned char>(utf8[i]);
            if (byte < 0x80) {
                *out += static_cast<char>(byte);
            } else {
                if ((byte != 0xc2 && byte != 0xc3) || i + 1 >= utf8.size() || (static_cast<unsigned char>(utf8[i + 1]) & 0xc0) != 0x80)
                    corrupt("a byte string is no Latin-1 text");
                *out += static_cast<char>((byte & 3) << 6 | (static_cast<unsigned char>(utf8[++i]) & 0x3f));
            }
        }
        return {asBytes(*out), out};
    }

    // ------------------------------------------------------------------------------------------------------- result

    Pickled result(Ref ref)
    {
        if (const auto *array = get<PickledArray>(ref)) {
            if (array->type.empty())
                corrupt("its array has no data");
            return *array;
        }
        const Matrix *matrix = get<Matrix>(ref);
        if (!matrix)
            unsupported("neither a NumPy array nor a SciPy CSR matrix at its top");
        if (!matrix->state)
            corrupt("its matrix has no data");
        return csrFrom(as<Dict>(*matrix->state, "the state of a sparse matrix"));
    }

    PickledCsr csrFrom(const Dict &state) const
    {
        const auto field = [&](std::string_view name) {
            const auto found = find(state, name);
            if (!found)
                corrupt(fmt::format("its matrix lacks '{}'", name));
            return *found;
        };
        const auto array = [&](std::string_view name) {
            const auto &value = as<PickledArray>(field(name), name);
            if (value.type.empty() || value.shape.size() != 1)
                corrupt(fmt::format("'{}' of its matrix is no vector", name));
            return value;
        };
        const auto shape = shapeFrom(field("_shape"));
        if (shape.size() != 2)
            corrupt("its matrix has not two dimensions");
        PickledCsr csr{shape[0], shape[1], array("data"), array("indices"), array("indptr")};
        if (csr.indptr.count() - 1 != csr.rows || csr.indices.count() != csr.data.count())
            fail(ErrorKind::Corrupt, "{}: a matrix of {} rows with {} row pointers, {} column numbers and {} values cannot be; write it again with pickle.dump.", m_name,
                 csr.rows, csr.indptr.count(), csr.indices.count(), csr.data.count());
        return csr;
    }

    std::span<const std::byte> m_bytes;
    std::string_view m_name;
    std::size_t m_at = 0;
    std::size_t m_decoded = 0;
    std::vector<Object> m_objects;
    std::vector<Ref> m_stack;
    std::vector<std::size_t> m_marks;
    std::map<std::uint64_t, Ref> m_memo;
};

} // namespace

std::int64_t PickledArray::count() const
{
    return elementsOf(shape);
}

std::vector<std::int64_t> PickledArray::integers(std::string_view name) const
{
    return widenIntegers(type, data, name);
}

Pickled readPickle(std::span<const std::byte> bytes, std::string_view name)
{
    return Reader(bytes, name).read();
}

} // namespace retoscope
