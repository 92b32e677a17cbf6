// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/run_filter.h"

#include "base/error.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <optional>

namespace retoscope {

namespace {

enum class FieldType { Number, Text, Any };

struct Field
{
    std::string_view name;
    FieldType type;
    std::string_view sql;
};

constexpr std::array fields = {
    Field{"id", FieldType::Number, "run.id"},
    Field{"name", FieldType::Text, "run.name"},
    Field{"status", FieldType::Text, "run.status"},
    Field{"method", FieldType::Text, "run.method"},
    Field{"trace", FieldType::Text, "(SELECT artefact.name FROM artefact WHERE artefact.id = run.trace)"},
    Field{"group", FieldType::Number, "run.series"},
    Field{"started", FieldType::Number, "run.started_ms"},
    Field{"seconds", FieldType::Number, "run.seconds"},
    Field{"note", FieldType::Text, "run.note"},
    Field{"message", FieldType::Text, "run.message"},
    Field{"command", FieldType::Text, "run.command"},
    Field{"archived", FieldType::Number, "run.archived"},
    Field{"perplexity", FieldType::Number, "json_extract(run.metrics, '$.perplexity')"},
    Field{"ppl", FieldType::Number, "json_extract(run.metrics, '$.perplexity')"},
    Field{"nll", FieldType::Number, "json_extract(run.metrics, '$.nll')"},
    Field{"foss", FieldType::Number, "json_extract(run.metrics, '$.foss')"},
    Field{"foss_reference", FieldType::Number, "json_extract(run.metrics, '$.foss_reference')"},
    Field{"searches", FieldType::Number, "json_extract(run.metrics, '$.searches')"},
    Field{"positions", FieldType::Number, "json_extract(run.metrics, '$.positions')"},
    Field{"k", FieldType::Number, "json_extract(run.config, '$.k')"},
    Field{"lambda", FieldType::Number, "json_extract(run.config, '$.lambda')"},
    Field{"temperature", FieldType::Number, "json_extract(run.config, '$.temperature')"},
    Field{"min_knns", FieldType::Number, "json_extract(run.config, '$.automaton.min_knns')"},
    Field{"max_knns", FieldType::Number, "json_extract(run.config, '$.automaton.max_knns')"},
    Field{"semantics", FieldType::Text, "json_extract(run.config, '$.automaton.semantics')"},
    Field{"distances", FieldType::Text, "json_extract(run.config, '$.distances')"},
    Field{"clusters", FieldType::Text,
          "CASE json_extract(run.config, '$.use_clusters') WHEN 0 THEN 'none' "
          "ELSE coalesce(json_extract(run.config, '$.artefacts.clusters.name'), 'none') END"},
    Field{"model", FieldType::Text, "json_extract(run.config, '$.artefacts.model.name')"},
};

/// A run has several tags: the comparison is made inside an EXISTS.
constexpr std::string_view tagField = "tag";

std::string fieldNames()
{
    std::string names;
    for (const Field &field : fields)
        names += fmt::format("{}, ", field.name);
    return names + std::string(tagField);
}

/// A key path bound as text, with every key quoted, so that no character of it means anything to SQLite.
std::string jsonPath(std::string_view dotted)
{
    std::string path = "$";
    for (std::size_t at = 0; at <= dotted.size();) {
        const auto end = std::min(dotted.find('.', at), dotted.size());
        path += fmt::format(".\"{}\"", dotted.substr(at, end - at));
        at = end + 1;
    }
    return path;
}

struct FieldSql
{
    FieldType type = FieldType::Any;
    SqlFragment fragment;
};

/// A known field, or a dotted path: "config.…", "metrics.…" and "environment.…" look there, others in config, then metrics.
std::optional<FieldSql> resolveField(std::string_view name)
{
    const auto known = std::find_if(fields.begin(), fields.end(), [&](const Field &field) { return field.name == name; });
    if (known != fields.end())
        return FieldSql{known->type, {std::string(known->sql), {}}};
    const auto dot = name.find('.');
    if (dot == std::string_view::npos || dot == 0 || name.back() == '.' || name.find("..") != std::string_view::npos)
        return std::nullopt;
    const std::string_view head = name.substr(0, dot);
    if (head == "config" || head == "metrics" || head == "environment")
        return FieldSql{FieldType::Any, {fmt::format("json_extract(run.{}, ?)", head), {jsonPath(name.substr(dot + 1))}}};
    const std::string path = jsonPath(name);
    return FieldSql{FieldType::Any, {"coalesce(json_extract(run.config, ?), json_extract(run.metrics, ?))", {path, path}}};
}

struct Token
{
    enum class Kind { End, Word, Quoted, Operator, Open, Close };
    Kind kind = Kind::End;
    std::string text;
    std::size_t character = 1; ///< 1-based, counted in code points as a person counts
};

std::string describe(const Token &token)
{
    return token.kind == Token::Kind::End ? "the end" : fmt::format("'{}'", token.text);
}

template<typename... Args>
[[noreturn]] void failAt(std::size_t character, fmt::format_string<Args...> text, Args &&...args)
{
    fail(ErrorKind::BadInput, "Run filter, at character {}: {}.", character, fmt::format(text, std::forward<Args>(args)...));
}

class Lexer
{
public:
    explicit Lexer(std::string_view text) : m_text(text) {}

    Token next()
    {
        while (m_at < m_text.size() && std::isspace(static_cast<unsigned char>(m_text[m_at])))
            advance();
        Token token{Token::Kind::End, {}, m_character};
        if (m_at == m_text.size())
            return token;
        const char c = m_text[m_at];
        if (c == '(' || c == ')') {
            token.kind = c == '(' ? Token::Kind::Open : Token::Kind::Close;
            token.text = take(1);
        } else if (c == '"' || c == '\'') {
            token.kind = Token::Kind::Quoted;
            token.text = quoted(c);
        } else if (operatorCharacters.find(c) != std::string_view::npos) {
            token.kind = Token::Kind::Operator;
            token.text = operatorText(token.character);
        } else {
            token.kind = Token::Kind::Word;
            while (m_at < m_text.size() && isWord(m_text[m_at]))
                token.text += take(1);
        }
        return token;
    }

private:
    static constexpr std::string_view operatorCharacters = "=!<>~";

    static bool isWord(char c)
    {
        return !std::isspace(static_cast<unsigned char>(c)) && std::string_view("()\"'").find(c) == std::string_view::npos
            && operatorCharacters.find(c) == std::string_view::npos;
    }
    void advance()
    {
        ++m_at;
        if (m_at == m_text.size() || (static_cast<unsigned char>(m_text[m_at]) & 0xC0) != 0x80)
            ++m_character; // not in the middle of a UTF-8 sequence
    }
    std::string take(std::size_t count)
    {
        const std::string piece(m_text.substr(m_at, count));
        for (std::size_t i = 0; i < piece.size(); ++i)
            advance();
        return piece;
    }
    std::string quoted(char quote)
    {
        const auto begin = m_character;
        std::string text;
        take(1);
        for (;;) {
            if (m_at == m_text.size())
                failAt(begin, "the quote {} is not closed", quote);
            if (m_text[m_at] != quote) {
                text += take(1);
            } else if (m_at + 1 < m_text.size() && m_text[m_at + 1] == quote) {
                text += quote;
                take(2);
            } else {
                take(1);
                return text;
            }
        }
    }
    std::string operatorText(std::size_t character)
    {
        const std::string_view rest = m_text.substr(m_at);
        for (const std::string_view two : {"!=", "<=", ">="}) {
            if (rest.starts_with(two))
                return take(2);
        }
        if (rest.starts_with('!'))
            failAt(character, "expected '=' after '!'");
        return take(1);
    }

    std::string_view m_text;
    std::size_t m_at = 0;
    std::size_t m_character = 1;
};

std::string lowerCase(std::string text)
{
    std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return text;
}

std::optional<sqlite::Value> parseNumber(const std::string &text)
{
    const char *end = text.data() + text.size();
    std::int64_t integer = 0;
    if (const auto result = std::from_chars(text.data(), end, integer); result.ec == std::errc() && result.ptr == end)
        return integer;
    double real = 0;
    const bool digits = text.find_first_of("0123456789") != std::string::npos; // "inf" and "nan" are words here
    if (const auto result = std::from_chars(text.data(), end, real); digits && result.ec == std::errc() && result.ptr == end)
        return real;
    return std::nullopt;
}

class Parser
{
public:
    explicit Parser(std::string_view text) : m_lexer(text) { advance(); }

    SqlFragment parse()
    {
        if (m_token.kind == Token::Kind::End)
            return {"1", {}};
        parseOr();
        if (m_token.kind != Token::Kind::End)
            failAt(m_token.character, "expected 'and', 'or' or the end, found {}", describe(m_token));
        return std::move(m_result);
    }

private:
    // SQLite's parser has a stack of 100 symbols, of which "x OR y AND (" takes five; and it refuses expressions deeper
    // than 1000, where a chain of ands is as deep as it is long.
    static constexpr int maximalDepth = 15;
    static constexpr int maximalComparisons = 200;

    void advance() { m_token = m_lexer.next(); }
    bool takeKeyword(std::string_view keyword)
    {
        if (m_token.kind != Token::Kind::Word || lowerCase(m_token.text) != keyword)
            return false;
        advance();
        return true;
    }

    void parseOr()
    {
        m_result.sql += '(';
        parseAnd();
        while (takeKeyword("or")) {
            m_result.sql += " OR ";
            parseAnd();
        }
        m_result.sql += ')';
    }
    void parseAnd()
    {
        parseNot();
        while (takeKeyword("and")) {
            m_result.sql += " AND ";
            parseNot();
        }
    }
    void parseNot()
    {
        if (++m_depth > maximalDepth)
            failAt(m_token.character, "the expression is nested more than {} deep; write it with fewer parentheses", maximalDepth);
        const Token open = m_token;
        if (takeKeyword("not")) {
            m_result.sql += "NOT ";
            parseNot();
        } else if (open.kind == Token::Kind::Open) {
            advance();
            parseOr();
            if (m_token.kind != Token::Kind::Close)
                failAt(m_token.character, "expected ')' for the '(' at character {}, found {}", open.character, describe(m_token));
            advance();
        } else {
            parseComparison();
        }
        --m_depth;
    }

    void parseComparison()
    {
        if (m_token.kind != Token::Kind::Word)
            failAt(m_token.character, "expected a field, found {}", describe(m_token));
        if (++m_comparisons > maximalComparisons)
            failAt(m_token.character, "more than {} comparisons; ask in several steps", maximalComparisons);
        const Token name = m_token;
        const bool isTag = name.text == tagField;
        const auto field = isTag ? FieldSql{FieldType::Text, {"run_tag.tag", {}}} : resolveField(name.text);
        if (!field)
            failAt(name.character, "there is no field '{}'; there are {}, and paths such as config.x or metrics.y", name.text, fieldNames());
        advance();
        if (m_token.kind != Token::Kind::Operator)
            failAt(m_token.character, "expected an operator (= != < <= > >= ~) after '{}', found {}", name.text, describe(m_token));
        const Token comparison = m_token;
        advance();
        if (m_token.kind != Token::Kind::Word && m_token.kind != Token::Kind::Quoted)
            failAt(m_token.character, "expected a value after '{}'", comparison.text);
        // "!=" is the negation of "=", also for runs that lack the field and for those with several tags.
        const bool negated = comparison.text == "!=";
        const auto condition = compare(name, *field, negated ? "=" : comparison.text, m_token);
        m_result.sql += negated ? "NOT " : "";
        if (isTag)
            m_result.sql += fmt::format("EXISTS(SELECT 1 FROM run_tag WHERE run_tag.run = run.id AND {})", condition.sql);
        else
            m_result.sql += condition.sql;
        m_result.parameters.insert(m_result.parameters.end(), condition.parameters.begin(), condition.parameters.end());
        advance();
    }

    /// field operator value, never NULL.
    static SqlFragment compare(const Token &name, const FieldSql &field, const std::string &op, const Token &value)
    {
        SqlFragment result;
        result.parameters = field.fragment.parameters;
        if (op == "~") {
            result.sql = fmt::format("coalesce(instr(lower({}), ?), 0) > 0", field.fragment.sql);
            result.parameters.emplace_back(lowerCase(value.text));
            return result;
        }
        const sqlite::Value operand = operandFor(name, field.type, value);
        const bool ordersNumbers = op != "=" && !std::holds_alternative<std::string>(operand);
        result.sql = fmt::format("coalesce({} {} ?, 0)", field.fragment.sql, op);
        result.parameters.push_back(operand);
        if (ordersNumbers) {
            // SQLite sorts text above every number. That is right for "inf", which is how JSON says ∞ here, and for nothing else.
            result.sql = fmt::format("(coalesce({0} = 'inf' OR typeof({0}) IN ('integer', 'real'), 0) AND {1})", field.fragment.sql, result.sql);
            std::vector<sqlite::Value> parameters;
            for (int i = 0; i < 2; ++i)
                parameters.insert(parameters.end(), field.fragment.parameters.begin(), field.fragment.parameters.end());
            parameters.insert(parameters.end(), result.parameters.begin(), result.parameters.end());
            result.parameters = std::move(parameters);
        }
        return result;
    }

    static sqlite::Value operandFor(const Token &name, FieldType type, const Token &value)
    {
        if (type == FieldType::Text)
            return value.text;
        const auto number = parseNumber(value.text);
        if (number && (type == FieldType::Number || value.kind == Token::Kind::Word))
            return *number;
        if (type == FieldType::Number && value.text != "inf")
            failAt(value.character, "'{}' is not a number, but {} is one", value.text, name.text);
        if (value.kind == Token::Kind::Word && (value.text == "true" || value.text == "false"))
            return std::int64_t(value.text == "true"); // json_extract gives 1 and 0
        return value.text;
    }

    Lexer m_lexer;
    Token m_token;
    SqlFragment m_result;
    int m_depth = 0;
    int m_comparisons = 0;
};

} // namespace

SqlFragment compileRunFilter(std::string_view expression)
{
    return Parser(expression).parse();
}

SqlFragment compileRunField(std::string_view field)
{
    const auto resolved = resolveField(field);
    if (!resolved)
        fail(ErrorKind::BadInput, "Runs cannot be ordered by '{}'; there are {}, and paths such as config.x or metrics.y.", field, fieldNames());
    return resolved->fragment;
}

} // namespace retoscope
