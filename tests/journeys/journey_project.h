// SPDX-License-Identifier: GPL-3.0-or-later
// A project small enough to be built in the test, described as users describe theirs.
#pragma once

#include <QString>

/// Writes sample texts and a description that names them and the example's model into `folder`. Returns the description's
/// path; empty when something could not be written. Building all of it takes some ten seconds.
QString writeJourneyDescription(const QString &folder);
