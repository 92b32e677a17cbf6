// SPDX-License-Identifier: GPL-3.0-or-later
#include "automaton/automaton_scene.h"

#include "explore/token_cells.h"

namespace retoscope {

int AutomatonScene::stepAt(Position position) const
{
    if (window.steps.empty() || !position.valid())
        return -1;
    const std::int64_t at = position.value - window.steps.front().position.value;
    return at >= 0 && at < static_cast<std::int64_t>(window.steps.size()) ? static_cast<int>(at) : -1;
}

AutomatonScene makeAutomatonScene(const TraceSession &trace, Position first, std::int64_t count, const EvaluationSettings &settings, JobControl &job)
{
    AutomatonScene scene{automatonWindow(trace.replay(), first, count, settings, job), {}, {}, {}};
    for (const AutomatonStep &step : scene.window.steps) {
        scene.tokens.push_back(tokenLabel(trace.tokenText(step.target)));
        scene.reasons.push_back(QString::fromStdString(reasonText(step, settings)));
    }
    for (const AutomatonNode &node : scene.window.nodes)
        scene.values.push_back(tokenLabel(trace.tokenText(scene.window.entries[static_cast<std::size_t>(node.firstEntry)].value)));
    return scene;
}

QString tokenLabel(std::string_view bytes)
{
    QString text = singleLine(bytes);
    if (text.startsWith(u' '))
        text[0] = marks::space;
    if (text.endsWith(u' '))
        text[text.size() - 1] = marks::space;
    return text;
}

} // namespace retoscope
