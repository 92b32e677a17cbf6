// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <mutex>
#include <utility>
#include <vector>

namespace retoscope {

/// What a worker hands over piece by piece. Both sides hold it by shared_ptr, so neither has to outlive the other; the GUI
/// thread takes what has come from a timer, however fast it comes. Thread-safe.
template<typename Letter>
class Mailbox
{
public:
    void put(Letter letter)
    {
        const std::scoped_lock lock(m_mutex);
        m_letters.push_back(std::move(letter));
    }
    [[nodiscard]] std::vector<Letter> take()
    {
        const std::scoped_lock lock(m_mutex);
        return std::exchange(m_letters, {});
    }

private:
    std::mutex m_mutex;
    std::vector<Letter> m_letters;
};

} // namespace retoscope
