// SPDX-License-Identifier: GPL-3.0-or-later
// What a training run needs to continue after kill -9 as if nothing had happened. Masks and order of the data are pure
// functions of seed and step, so weights, moments and the step are all. Internal to this room.
#pragma once

#include "base/manifest.h"

#include <filesystem>
#include <optional>
#include <vector>

namespace retoscope {

struct TrainingState
{
    Json header = Json::object(); ///< identity of the run, step, report so far
    std::vector<float> values;
    std::vector<float> firstMoment;
    std::vector<float> secondMoment;
};

/// Replaces the file atomically and durably.
void saveTrainingState(const std::filesystem::path &path, const TrainingState &state);

/// Nothing when there is no such file. Throws Corrupt when it is damaged, BadInput when a newer version wrote it.
std::optional<TrainingState> loadTrainingState(const std::filesystem::path &path);

} // namespace retoscope
