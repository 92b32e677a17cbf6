// SPDX-License-Identifier: GPL-3.0-or-later
#include "trace/pointer_distances.h"

#include <algorithm>
#include <utility>

namespace retoscope {

namespace {

constexpr std::size_t blockPointers = std::size_t(1) << 17; ///< 1 MB: few allocations, little waste per thread
constexpr std::size_t bytesPerPointer = sizeof(std::int32_t) + sizeof(float);

} // namespace

bool MemoryBudget::take(std::int64_t bytes)
{
    if (m_left.fetch_sub(bytes, std::memory_order_relaxed) >= bytes)
        return true;
    giveBack(bytes);
    return false;
}

PointerDistances::PointerDistances(std::int64_t positions, std::shared_ptr<MemoryBudget> budget)
    : m_rows(std::size_t(positions)), m_budget(std::move(budget))
{
}

PointerDistances::~PointerDistances()
{
    m_budget->giveBack(m_bytes);
}

PointerDistances::Block *PointerDistances::allocate(std::size_t pointers)
{
    const auto bytes = static_cast<std::int64_t>(pointers * bytesPerPointer);
    if (!complete() || !m_budget->take(bytes)) {
        m_complete.store(false, std::memory_order_relaxed);
        return nullptr;
    }
    auto block = std::make_unique<Block>(Block{std::make_unique_for_overwrite<std::int32_t[]>(pointers), std::make_unique_for_overwrite<float[]>(pointers)});
    const std::scoped_lock lock(m_mutex);
    m_bytes += bytes;
    return m_blocks.emplace_back(std::move(block)).get();
}

void PointerDistances::Writer::write(std::int64_t position, std::span<const std::int32_t> ids, std::span<const float> distances)
{
    if (ids.empty())
        return;
    if (ids.size() > m_left) {
        const std::size_t pointers = std::max(blockPointers, ids.size());
        const Block *block = m_target.allocate(pointers);
        if (!block)
            return;
        m_ids = block->ids.get();
        m_distances = block->distances.get();
        m_left = pointers;
    }
    std::ranges::copy(ids, m_ids);
    std::ranges::copy(distances, m_distances);
    m_target.m_rows[std::size_t(position)] = {{m_ids, ids.size()}, {m_distances, ids.size()}};
    m_ids += ids.size();
    m_distances += ids.size();
    m_left -= ids.size();
}

} // namespace retoscope
