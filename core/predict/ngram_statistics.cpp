// SPDX-License-Identifier: GPL-3.0-or-later
#include "predict/ngram_statistics.h"

#include "base/error.h"
#include "base/job.h"

#include <algorithm>
#include <unordered_map>

namespace retoscope {

namespace {

using Node = std::uint32_t;
constexpr Node root = 0, none = 0xffffffff;
using NodePath = std::array<Node, longestNgram>; ///< of the last 1, 2, … tokens

std::uint64_t pairOf(Node node, std::int32_t token)
{
    return std::uint64_t(node) << 32 | std::uint32_t(token);
}

/// The n-grams of the contexts as a tree that is read backwards: a child of a node puts one token before its n-gram.
class BackwardTree
{
public:
    Node childOrNew(Node parent, std::int32_t token) { return m_children.try_emplace(pairOf(parent, token), Node(m_children.size() + 1)).first->second; }
    [[nodiscard]] Node child(Node parent, std::int32_t token) const
    {
        const auto found = m_children.find(pairOf(parent, token));
        return found == m_children.end() ? none : found->second;
    }
    [[nodiscard]] std::size_t nodes() const { return m_children.size() + 1; }

private:
    std::unordered_map<std::uint64_t, Node> m_children;
};

/// A set of (node, token), most of which come again and again. Sorted now and then, so that memory follows the distinct ones.
class DistinctPairs
{
public:
    void insert(std::uint64_t pair)
    {
        m_pairs.push_back(pair);
        if (m_pairs.size() >= m_limit) {
            tidy();
            m_limit = std::max(smallestLimit, 2 * m_pairs.size());
        }
    }
    /// How many tokens each node has, [nodes].
    std::vector<std::int64_t> perNode(std::size_t nodes)
    {
        tidy();
        std::vector<std::int64_t> counts(nodes);
        for (const std::uint64_t pair : m_pairs)
            ++counts[pair >> 32];
        return counts;
    }

private:
    static constexpr std::size_t smallestLimit = std::size_t(1) << 20;
    void tidy()
    {
        std::ranges::sort(m_pairs);
        const auto rest = std::ranges::unique(m_pairs);
        m_pairs.erase(rest.begin(), rest.end());
    }
    std::vector<std::uint64_t> m_pairs;
    std::size_t m_limit = smallestLimit;
};

} // namespace

std::vector<ContextStatistics> contextStatistics(std::span<const std::int32_t> text, std::span<const std::int64_t> documentStarts,
                                                 std::span<const std::int32_t> tokens, std::span<const std::int32_t> lengths, JobControl &job)
{
    if (lengths.size() != tokens.size())
        fail(ErrorKind::BadInput, "There are {} contexts, but {} lengths of contexts.", tokens.size(), lengths.size());
    BackwardTree tree;
    std::vector<NodePath> paths(tokens.size());
    for (std::size_t t = 0; t < tokens.size(); ++t) {
        paths[t].fill(none);
        Node node = root;
        for (std::int32_t n = 0; n < std::min(lengths[t], longestNgram); ++n)
            paths[t][std::size_t(n)] = node = tree.childOrNew(node, tokens[t - std::size_t(n) - 1]);
    }

    std::vector<std::int64_t> frequency(tree.nodes());
    DistinctPairs followers;
    for (std::size_t d = 0; d + 1 < documentStarts.size(); ++d) {
        const std::int64_t begin = documentStarts[d], end = documentStarts[d + 1];
        for (std::int64_t i = begin; i < end; ++i) {
            constexpr std::int64_t tokensPerReport = 1 << 16;
            if (i % tokensPerReport == 0) {
                job.checkpoint();
                job.report("counting n-grams", "tokens", i, std::ssize(text));
            }
            Node node = root;
            for (std::int64_t n = 0; n < longestNgram && i - n >= begin; ++n) {
                node = tree.child(node, text[std::size_t(i - n)]);
                if (node == none)
                    break;
                ++frequency[node];
                if (i + 1 < end)
                    followers.insert(pairOf(node, text[std::size_t(i + 1)]));
            }
        }
    }
    const std::vector<std::int64_t> distinct = followers.perNode(tree.nodes());
    std::vector<ContextStatistics> statistics(tokens.size());
    for (std::size_t t = 0; t < tokens.size(); ++t) {
        for (std::size_t n = 0; n < std::size_t(longestNgram) && paths[t][n] != none; ++n) {
            statistics[t].frequency[n] = frequency[paths[t][n]];
            statistics[t].followers[n] = distinct[paths[t][n]];
        }
    }
    return statistics;
}

} // namespace retoscope
