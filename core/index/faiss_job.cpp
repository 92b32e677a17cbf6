// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/faiss_job.h"

#include "base/job.h"
#include "base/threads.h"

#include <faiss/impl/AuxIndexStructures.h>
#include <omp.h>

#include <mutex>

// OpenBLAS's own; absent when another BLAS is linked.
extern "C" {
__attribute__((weak)) int openblas_get_num_threads(void);
__attribute__((weak)) void openblas_set_num_threads(int);
}

namespace retoscope {

namespace {

thread_local JobControl *currentJob = nullptr;

class CancelCallback final : public faiss::InterruptCallback
{
public:
    bool want_interrupt() override { return currentJob && currentJob->cancelRequested(); }
};

} // namespace

FaissJob::FaissJob(JobControl &job) : m_outer(currentJob), m_openMpThreads(omp_get_max_threads())
{
    static std::once_flag once; // installed for good: taking it away would race with searches of other threads
    std::call_once(once, [] { faiss::InterruptCallback::instance = std::make_unique<CancelCallback>(); });
    currentJob = &job;
    omp_set_num_threads(threadCount());
    // FAISS calls BLAS between and inside its OpenMP regions; two sets of spinning threads only hinder each other.
    if (openblas_set_num_threads) {
        m_blasThreads = openblas_get_num_threads();
        openblas_set_num_threads(1);
    }
}

FaissJob::~FaissJob()
{
    if (m_blasThreads > 0)
        openblas_set_num_threads(m_blasThreads);
    omp_set_num_threads(m_openMpThreads);
    currentJob = m_outer;
}

} // namespace retoscope
