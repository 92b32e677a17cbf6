// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

namespace retoscope {

class JobControl;

/// While this lives, FAISS work of this thread stops soon after a cancel of the job was asked for (it throws; ask
/// job.checkpoint() first thing in the handler), and FAISS and its BLAS use threadCount() threads between them. FAISS has
/// one interrupt callback per process; ours looks at the thread that asks, so several jobs do not disturb each other.
class FaissJob
{
public:
    explicit FaissJob(JobControl &job);
    ~FaissJob();
    FaissJob(const FaissJob &) = delete;
    FaissJob &operator=(const FaissJob &) = delete;

private:
    JobControl *m_outer;
    int m_openMpThreads;
    int m_blasThreads = 0;
};

} // namespace retoscope
