// SPDX-License-Identifier: GPL-3.0-or-later
// One step of RetoMaton (Alon et al. 2022, section 3; retrieval.md section 5), separated from search and distances so
// that replay, live evaluation and generation walk the very same automaton.
#pragma once

#include "automaton/clusters.h"
#include "base/manifest.h"
#include "datastore/datastore.h"

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <vector>

namespace retoscope {

/// Which rules produce the numbers. Every result records it.
enum class Semantics
{
    Corrected, ///< retrieval.md as written: per-sequence state, duplicates dropped, stable ties, document ends respected
    Reference, ///< knn-transformers as released, bugs included (retrieval.md "Parity mode"; std::sort ties)
};
/// How ties are broken in parity mode; the golden bundle records both.
enum class TieOrder { Stable, StdSort };
enum class CountRule { Entries, States }; ///< what min_knns counts: surviving entries (released code) or states (paper)
enum class StateOrder { Count, Random };  ///< extension order: most-pointed-to first (released code) or random (paper)

struct AutomatonSettings
{
    static constexpr std::int64_t alwaysSearch = std::numeric_limits<std::int64_t>::max(); ///< min_knns = ∞, "inf" in JSON
    static constexpr std::int32_t maximalKnns = 1 << 24;

    std::int64_t minKnns = 1;
    std::int32_t maxKnns = 1024;
    bool pointers = true;       ///< false: every position is searched and nothing is followed (ablation no_pointer)
    CountRule count = CountRule::Entries;
    StateOrder order = StateOrder::Count;
    std::uint64_t seed = 1;     ///< for StateOrder::Random
    bool deduplicate = true;    ///< an entry appears once among the candidates
    Semantics semantics = Semantics::Corrected;
    TieOrder ties = TieOrder::Stable; ///< StdSort only with Semantics::Reference
    bool stopAtDocumentEnds = true;   ///< false in parity mode: only entry N−1 has no pointer

    /// The released code: duplicates kept, std::sort ties, document ends ignored.
    static AutomatonSettings reference();
    friend bool operator==(const AutomatonSettings &, const AutomatonSettings &) = default;
};
void to_json(Json &json, const AutomatonSettings &settings);
void from_json(const Json &json, AutomatonSettings &settings); ///< strict; a sentence per bad value
void validate(const AutomatonSettings &settings);              ///< throws BadInput

/// What happens before y_t is known: steps 1 to 3.
struct RetomatonPlan
{
    bool search = true;
    std::int32_t survivors = 0;        ///< |cur|, entries
    std::int32_t survivorStates = 0;   ///< distinct states among the pointers (0 without clusters)
    std::int32_t directPointers = 0;   ///< leading elements of `pointers` that were followed, not added by a state
    std::vector<std::int32_t> pointers; ///< entry ids: direct pointers, then members of their states; at most max_knns
};

/// The automaton state of one sequence. Not thread-safe; copyable (a beam reorder copies it). Memory: a few arrays as long
/// as the candidates, whatever N is; no step allocates once the arrays have grown to k + max_knns.
class RetomatonWalker
{
public:
    /// `clusters` may be null (pointers only). Both must outlive the walker. Throws Mismatch when the clusters cover
    /// another number of entries.
    RetomatonWalker(std::shared_ptr<const Datastore> datastore, std::shared_ptr<const Clusters> clusters, const AutomatonSettings &settings);
    RetomatonWalker(const RetomatonWalker &other);
    RetomatonWalker &operator=(const RetomatonWalker &other);
    ~RetomatonWalker();

    /// Starts a new sequence: nothing is pointed to.
    void reset();
    /// Goes on where another walk stood `step` positions after its reset(), with these survivors.
    void resume(std::span<const std::int32_t> current, std::uint64_t step);
    /// Steps 1 to 3 for the next position. The reference stays valid until the next call.
    const RetomatonPlan &plan();
    [[nodiscard]] const RetomatonPlan &lastPlan() const; ///< what plan() returned last
    /// Step 5: C = search results (when searched; k ids with distances, −1 padding allowed) and then the plan's pointers;
    /// deduplicated when the settings say so (the first occurrence stays). In parity mode −1 is kept with the meaning that
    /// the released code gives it. The caller measures what the search did not: it fills in pointerDistances. Results valid
    /// until the next call.
    struct Candidates
    {
        std::span<const std::int32_t> ids;     ///< first those of the search, then direct pointers, then members of states
        std::span<const float> distances;
        std::int32_t found = 0;                ///< leading ids that came from the search
        std::int32_t direct = 0;               ///< ids after these that are direct pointers
        std::span<float> pointerDistances;     ///< the part of `distances` that is not known yet

        /// Whose distances pointerDistances are.
        [[nodiscard]] std::span<const std::int32_t> pointers() const { return ids.subspan(std::size_t(found)); }
    };
    Candidates combine(std::span<const std::int32_t> foundIds, std::span<const float> foundDistances);
    /// For each candidate of the last combine(), 1 where its value is `token` (−1: the value of the last entry).
    std::span<const std::uint8_t> matches(TokenId token);
    /// Step 7: y_t is known (observed, or chosen while generating). Uses the candidates of the last combine().
    void observe(TokenId token);
    /// Entries of `cur`, nearest first.
    [[nodiscard]] std::span<const std::int32_t> current() const;

private:
    struct State;
    std::unique_ptr<State> m_state;
};

} // namespace retoscope
