// SPDX-License-Identifier: GPL-3.0-or-later
// What is already known of a trace that is being recorded, or of an evaluation that runs: views grow with it.
#pragma once

#include "automaton/clusters.h"
#include "text/tokenizer.h"
#include "trace/live.h"
#include "trace/trace_recorder.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

/// Immutable once published. n = positions so far, from the first one on; `result` holds the figures and arrays of these
/// (settings, perplexity, foss, logProbs, knnLogProbs, searched …; NaN in logProbs where a position is not scored yet).
struct LiveProgress
{
    std::string name;             ///< of the trace
    std::int64_t total = 0;       ///< positions that there will be; 0: not known
    std::string text;             ///< of the targets, one after the other
    std::vector<std::int64_t> textEnds;   ///< [n] byte in `text` where the target of a position ends
    std::vector<std::int32_t> documents;  ///< [n] evaluation document
    std::vector<float> lmLogProbs;        ///< [n] log p_LM(target)
    EvaluationResult result;

    [[nodiscard]] std::int64_t positions() const { return static_cast<std::int64_t>(textEnds.size()); }
    [[nodiscard]] std::string_view targetText(std::int64_t position) const;
};

/// Called on the working thread.
using LiveSink = std::function<void(std::shared_ptr<const LiveProgress>)>;

/// What live progress is made from.
struct LiveSource
{
    std::string name;
    std::int64_t total = 0;
    std::shared_ptr<const Tokenizer> tokenizer; ///< null: the targets appear as their ids
    std::shared_ptr<const Datastore> datastore;
    std::shared_ptr<const Clusters> clusters; ///< may be null
    EvaluationSettings settings; ///< what the growing trace is replayed with; k is cut to the trace's
};

/// For recordTrace(): replays what there is with the settings and publishes it, at most ten times a second and never for
/// more than about a tenth of the time. Empty without a sink.
TraceListener liveTraceListener(LiveSource source, LiveSink sink);

/// For evaluateLive() over the positions of a recorded trace, whose targets are known. As often as the evaluation reports.
LiveListener liveEvaluationListener(LiveSource source, std::shared_ptr<const Trace> trace, LiveSink sink);

} // namespace retoscope
