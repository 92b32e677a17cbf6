// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "ledger/ledger.h"

#include <QAbstractTableModel>

#include <vector>

namespace retoscope {

/// The artefacts of a project in the order of the pipeline: corpus, tokenizer, model, tokens, datastore, index, clusters,
/// trace; within a kind the oldest first.
class ArtefactsModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Kind, Name, State, Size, Finished, ColumnCount };

    explicit ArtefactsModel(QObject *parent = nullptr);
    void update(std::vector<ArtefactRow> artefacts);
    [[nodiscard]] const ArtefactRow &artefactAt(int row) const { return m_artefacts[static_cast<std::size_t>(row)]; }

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role) const override;

private:
    std::vector<ArtefactRow> m_artefacts;
};

} // namespace retoscope
