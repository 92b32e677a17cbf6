// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/index.h"

#include "base/error.h"

namespace retoscope {

std::string_view toString(Metric metric)
{
    return metric == Metric::L2 ? "l2" : "ip";
}

Metric metricFromString(std::string_view text)
{
    if (text == "l2")
        return Metric::L2;
    if (text == "ip")
        return Metric::InnerProduct;
    fail(ErrorKind::BadInput, "'{}' is not a metric; use l2 or ip.", text);
}

} // namespace retoscope
