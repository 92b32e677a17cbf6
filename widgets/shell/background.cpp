// SPDX-License-Identifier: GPL-3.0-or-later
#include "shell/background.h"

#include <QThread>
#include <QThreadPool>

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>

namespace retoscope {

namespace {

class Pool : public QThreadPool
{
public:
    Pool() { setMaxThreadCount(std::max(questionsAtOnce, QThread::idealThreadCount())); }

private:
    static constexpr int questionsAtOnce = 8; ///< a window has about as many views that ask
};

} // namespace

QThreadPool &backgroundPool()
{
    static Pool pool;
    return pool;
}

void yieldToTheWindow()
{
    constexpr int niceness = 10; // of 19
    // On Linux of this thread alone. It may be refused, and then nothing is lost.
    setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), niceness);
}

} // namespace retoscope
