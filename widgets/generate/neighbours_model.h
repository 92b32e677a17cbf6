// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>

#include "generate/generator.h"

#include <optional>

namespace retoscope {

/// The neighbours that made one generated token, nearest first, with their contexts aligned on the value.
class GeneratedNeighboursModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Weight, Distance, Left, Value, Right, Entry, ColumnCount };

    explicit GeneratedNeighboursModel(QObject *parent = nullptr) : QAbstractTableModel(parent) {}

    void setPiece(const std::optional<GeneratedPiece> &piece);

    [[nodiscard]] int rowCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] int columnCount(const QModelIndex &parent = {}) const override;
    [[nodiscard]] QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    [[nodiscard]] QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

private:
    std::optional<GeneratedPiece> m_piece;
};

} // namespace retoscope
