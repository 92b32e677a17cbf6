// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/index.h"

#include "base/error.h"
#include "index/exact_index.h"

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

std::shared_ptr<const Index> Index::exact(std::shared_ptr<const Datastore> datastore, Metric metric)
{
    Manifest manifest = exactManifest(*datastore, metric);
    return makeExactIndex(std::move(datastore), metric, std::move(manifest));
}

} // namespace retoscope
