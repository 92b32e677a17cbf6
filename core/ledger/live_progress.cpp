// SPDX-License-Identifier: GPL-3.0-or-later
#include "ledger/live_progress.h"

#include "base/error.h"
#include "base/job.h"
#include "trace/replay.h"

#include <algorithm>
#include <chrono>
#include <cmath>

namespace retoscope {

namespace {

using Clock = std::chrono::steady_clock;

constexpr Clock::duration shortestInterval = std::chrono::milliseconds(100);
constexpr int restPerWork = 9; // a publication that took 1 ms is followed by at least 9 ms without one

/// The texts of the targets so far, decoded once each.
class TargetText
{
public:
    explicit TargetText(std::shared_ptr<const Tokenizer> tokenizer) : m_tokenizer(std::move(tokenizer)) {}

    void grow(const TraceArrays &arrays, std::int64_t positions, LiveProgress &progress)
    {
        for (auto i = m_ends.size(); i < static_cast<std::size_t>(positions); ++i) {
            m_text += m_tokenizer ? m_tokenizer->piece(TokenId(arrays.targets[i])) : fmt::format("[{}]", arrays.targets[i]);
            m_ends.push_back(static_cast<std::int64_t>(m_text.size()));
        }
        const auto n = static_cast<std::size_t>(positions);
        progress.text = m_text;
        progress.textEnds.assign(m_ends.begin(), m_ends.begin() + positions);
        progress.documents.assign(arrays.documents.begin(), arrays.documents.begin() + static_cast<std::ptrdiff_t>(n));
        progress.lmLogProbs.assign(arrays.lmLogProbs.begin(), arrays.lmLogProbs.begin() + static_cast<std::ptrdiff_t>(n));
    }

private:
    std::shared_ptr<const Tokenizer> m_tokenizer;
    std::string m_text;
    std::vector<std::int64_t> m_ends;
};

/// Without what is not scored yet behind the last position that is.
void cut(EvaluationResult &result)
{
    const auto unscored = std::find_if(result.logProbs.rbegin(), result.logProbs.rend(), [](float value) { return !std::isnan(value); });
    const auto scored = static_cast<std::size_t>(result.logProbs.rend() - unscored);
    result.logProbs.resize(scored);
    result.knnLogProbs.resize(scored);
    result.searched.resize(scored);
    result.candidates.resize(scored);
    result.survivors.resize(scored);
}

EvaluationResult replayed(const TraceArrays &arrays, const LiveSource &source)
{
    EvaluationSettings settings = source.settings;
    settings.k = std::min(settings.k, arrays.kMax);
    settings.useClusters = settings.useClusters && source.clusters;
    JobControl quiet;
    // The arrays outlive this replay: nothing owns them here.
    const Replay replay(Trace::fromArrays(arrays, nullptr, source.datastore), source.clusters);
    return replay.evaluate(settings, {.perPosition = true}, quiet);
}

} // namespace

std::string_view LiveProgress::targetText(std::int64_t position) const
{
    const auto begin = position == 0 ? 0 : textEnds.at(static_cast<std::size_t>(position - 1));
    return std::string_view(text).substr(static_cast<std::size_t>(begin), static_cast<std::size_t>(textEnds.at(static_cast<std::size_t>(position)) - begin));
}

TraceListener liveTraceListener(LiveSource source, LiveSink sink)
{
    if (!sink)
        return {};
    struct State
    {
        LiveSource source;
        LiveSink sink;
        TargetText text;
        Clock::time_point next{};
    };
    // Shared, because a std::function is copied.
    auto state = std::make_shared<State>(State{source, std::move(sink), TargetText(source.tokenizer), {}});
    return [state](const TraceArrays &soFar, std::int64_t, std::int64_t end) {
        const auto begin = Clock::now();
        if (begin < state->next && end != state->source.total)
            return;
        auto progress = std::make_shared<LiveProgress>();
        progress->name = state->source.name;
        progress->total = state->source.total;
        state->text.grow(soFar, soFar.positions, *progress);
        progress->result = replayed(soFar, state->source);
        state->sink(std::move(progress));
        const auto now = Clock::now();
        state->next = now + std::max(shortestInterval, restPerWork * (now - begin));
    };
}

LiveListener liveEvaluationListener(LiveSource source, std::shared_ptr<const Trace> trace, LiveSink sink)
{
    if (!sink)
        return {};
    auto text = std::make_shared<TargetText>(source.tokenizer);
    return [source = std::move(source), trace = std::move(trace), sink = std::move(sink), text](const EvaluationResult &soFar) {
        auto progress = std::make_shared<LiveProgress>();
        progress->name = source.name;
        progress->total = source.total;
        progress->result = soFar;
        cut(progress->result);
        text->grow(trace->arrays(), std::min(static_cast<std::int64_t>(progress->result.logProbs.size()), trace->arrays().positions), *progress);
        sink(std::move(progress));
    };
}

} // namespace retoscope
