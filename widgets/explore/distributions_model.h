// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <QAbstractTableModel>

#include "explore/inspector.h"

namespace retoscope {

/// The leading candidates of one position under the LM, the kNN side and their mixture, by the mixture; the true token is
/// always among them. What the trace does not hold is "not recorded", never 0.
class DistributionsModel : public QAbstractTableModel
{
    Q_OBJECT

public:
    enum Column { Token, Mixed, Lm, Knn, KeptMixed, MixedRank, LmRank, KnnRank, ColumnCount };
    enum Role { LmRole = Qt::UserRole, KnnRole, MixedRole, KeptRole, IsTargetRole }; ///< probabilities (NaN: not recorded; no KeptRole: nothing is compared), and bool

    using QAbstractTableModel::QAbstractTableModel;

    void setInspection(std::shared_ptr<const Inspection> inspection);
    [[nodiscard]] int targetRow() const; ///< −1 without an inspection

    int rowCount(const QModelIndex &parent = {}) const override;
    int columnCount(const QModelIndex &parent = {}) const override;
    QVariant data(const QModelIndex &index, int role = Qt::DisplayRole) const override;
    QVariant headerData(int section, Qt::Orientation orientation, int role = Qt::DisplayRole) const override;

    /// "0.0123", "not recorded".
    static QString probabilityText(double probability);

private:
    /// Of the mixture under the setting that is compared with; NaN: not recorded, or nothing is compared.
    [[nodiscard]] double keptProbability(TokenId token) const;

    std::shared_ptr<const Inspection> m_inspection;
};

} // namespace retoscope
