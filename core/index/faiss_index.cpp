// SPDX-License-Identifier: GPL-3.0-or-later
#include "index/faiss_index.h"

#include "base/error.h"
#include "base/mapped_file.h"
#include "base/threads.h"
#include "index/faiss_file.h"
#include "index/layout.h"

#include <faiss/IVFlib.h>
#include <faiss/Index.h>
#include <faiss/IndexHNSW.h>
#include <faiss/IndexIVF.h>
#include <faiss/IndexPreTransform.h>
#include <faiss/impl/FaissException.h>
#include <faiss/index_io.h>
#include <omp.h>

#include <algorithm>
#include <cmath>
#include <new>

namespace fs = std::filesystem;

namespace retoscope {

namespace {

constexpr std::size_t defaultLists = 32; ///< nprobe of the released kNN-LM code

/// The inverted file inside transforms and refinements, or null.
faiss::IndexIVF *invertedFile(faiss::Index &index)
{
    return faiss::ivflib::try_extract_index_ivf(&index);
}

class FaissIndex final : public Index
{
public:
    FaissIndex(std::unique_ptr<faiss::Index> index, std::shared_ptr<const Datastore> datastore, Manifest manifest)
        : m_index(std::move(index)), m_datastore(std::move(datastore)), m_manifest(std::move(manifest))
    {
    }

    void search(std::span<const float> queries, std::int32_t k, const SearchParameters &parameters, Neighbours &result) const override
    {
        const auto dimension = std::size_t(m_index->d);
        if (k < 1)
            fail(ErrorKind::BadInput, "A search for k = {} neighbours makes no sense; k must be at least 1.", k);
        if (queries.size() % dimension != 0)
            fail(ErrorKind::BadInput, "The queries are {} numbers, which is not a multiple of the index's dimension {}.", queries.size(), dimension);
        result.queries = std::int64_t(queries.size() / dimension);
        result.k = k;
        const std::size_t cells = std::size_t(result.queries) * std::size_t(k);
        std::vector<std::int64_t> labels(cells, -1);
        result.distances.assign(cells, std::numeric_limits<float>::infinity());
        result.ids.assign(cells, -1);
        if (cells == 0)
            return;
        try {
            searchFaiss(queries.data(), result.queries, k, parameters, result.distances.data(), labels.data());
        } catch (const faiss::FaissException &error) {
            failFromFaiss("search the index", error.what());
        }
        for (std::size_t i = 0; i < cells; ++i) {
            const bool found = labels[i] >= 0;
            result.ids[i] = found ? std::int32_t(labels[i]) : -1;
            if (!found)
                result.distances[i] = std::numeric_limits<float>::infinity();
            else if (metric() == Metric::InnerProduct)
                result.distances[i] = -result.distances[i];
        }
    }

    void reconstruct(std::span<const std::int32_t> ids, float *out) const override
    {
        try {
            for (std::size_t i = 0; i < ids.size(); ++i)
                m_index->reconstruct(ids[i], out + i * std::size_t(m_index->d));
        } catch (const faiss::FaissException &error) {
            fail(ErrorKind::BadInput, "An index of the kind '{}' cannot give back its keys ({}); use the exact distances.", factory(), error.what());
        }
    }

    [[nodiscard]] bool isExact() const override { return false; }
    [[nodiscard]] Metric metric() const override
    {
        return m_index->metric_type == faiss::METRIC_INNER_PRODUCT ? Metric::InnerProduct : Metric::L2;
    }
    [[nodiscard]] std::string factory() const override { return m_manifest.identity.at("factory").get<std::string>(); }
    [[nodiscard]] std::uint64_t bytes() const override { return m_manifest.files.at(layout::indexFile).at("bytes").get<std::uint64_t>(); }
    [[nodiscard]] const Manifest &manifest() const override { return m_manifest; }

private:
    /// FAISS's wrappers do not hand parameters on in all versions, so transforms are applied here and the inner index is
    /// asked directly.
    void searchFaiss(const float *x, std::int64_t n, std::int32_t k, const SearchParameters &parameters, float *distances, std::int64_t *labels) const
    {
        const faiss::Index *index = m_index.get();
        std::unique_ptr<const float[]> transformed;
        while (const auto *outer = dynamic_cast<const faiss::IndexPreTransform *>(index)) {
            const float *next = outer->apply_chain(n, x);
            if (next != x)
                transformed.reset(next);
            x = next;
            index = outer->index;
        }
        if (const auto *lists = dynamic_cast<const faiss::IndexIVF *>(index)) {
            faiss::SearchParametersIVF ivf;
            ivf.nprobe = parameters.nprobe > 0 ? std::min(std::size_t(parameters.nprobe), std::size_t(lists->nlist)) : lists->nprobe;
            ivf.max_codes = 0;
            lists->search(n, x, k, distances, labels, &ivf);
        } else if (const auto *graph = dynamic_cast<const faiss::IndexHNSW *>(index); graph && parameters.efSearch > 0) {
            faiss::SearchParametersHNSW hnsw;
            hnsw.efSearch = parameters.efSearch;
            graph->search(n, x, k, distances, labels, &hnsw);
        } else {
            index->search(n, x, k, distances, labels);
        }
    }

    std::unique_ptr<faiss::Index> m_index;
    std::shared_ptr<const Datastore> m_datastore; ///< keeps it mapped as long as its index lives
    Manifest m_manifest;
};

} // namespace

void failFromFaiss(std::string_view what, const std::string &message)
{
    // FAISS's messages name its own functions and source lines; the last part says what happened.
    const auto at = message.rfind(": ");
    fail(ErrorKind::BadInput, "FAISS could not {}: {}.", what, at == std::string::npos ? message : message.substr(at + 2));
}

std::unique_ptr<faiss::Index> readFaissFile(const fs::path &path, const Datastore &datastore, bool trusted)
{
    const FaissHeader header = [&] {
        const MappedFile file(path);
        return checkFaissFile(file.bytes(), path.string());
    }();
    if (!header.walked && !trusted)
        fail(ErrorKind::BadInput, "{} is a FAISS index of the kind '{}', which is not imported; build one from its factory string instead.", path.string(),
             header.type);
    requireSame("the index's dimension", std::to_string(header.dimension), std::to_string(datastore.dimension()), "name the datastore it was built for");
    requireSame("the index's number of entries", std::to_string(header.entries), std::to_string(datastore.size()), "name the datastore it was built for");
    if (header.metric > 1)
        fail(ErrorKind::BadInput, "{} uses FAISS's metric number {}; only l2 and the inner product are known here.", path.string(), header.metric);
    try {
        return std::unique_ptr<faiss::Index>(faiss::read_index(path.c_str()));
    } catch (const faiss::FaissException &error) {
        fail(ErrorKind::Corrupt, "FAISS cannot read {} ({}); build or copy it again.", path.string(), error.what());
    } catch (const std::bad_alloc &) {
        fail(ErrorKind::Resource, "{} does not fit into memory.", path.string());
    }
}

void prepareForUse(faiss::Index &index)
{
    if (faiss::IndexIVF *lists = invertedFile(index)) {
        if (lists->direct_map.type == faiss::DirectMap::NoMap) {
            try {
                lists->set_direct_map_type(faiss::DirectMap::Array);
            } catch (const faiss::FaissException &) {
                // This kind has none; reconstruct() will say so.
            }
        }
        lists->nprobe = std::min(defaultLists, std::size_t(lists->nlist));
    }
}

std::shared_ptr<const Index> makeFaissIndex(std::unique_ptr<faiss::Index> index, std::shared_ptr<const Datastore> datastore, Manifest manifest)
{
    return std::make_shared<FaissIndex>(std::move(index), std::move(datastore), std::move(manifest));
}

} // namespace retoscope
