// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

class QThreadPool;

namespace retoscope {

/// The threads for what the window asks in the background. Never QThreadPool::globalInstance(): Qt itself paints large areas
/// on that one and waits for them in the GUI thread, so that a question of a second there is a window frozen for a second.
/// Has more threads than there are cores, so that a click need not wait until a sweep has ended.
QThreadPool &backgroundPool();

/// Tells the system that the calling thread, and those that it starts from now on, may wait when the window wants to draw.
/// For jobs of minutes; it cannot be taken back.
void yieldToTheWindow();

} // namespace retoscope
