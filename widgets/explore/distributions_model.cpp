// SPDX-License-Identifier: GPL-3.0-or-later
#include "explore/distributions_model.h"

#include "explore/token_cells.h"

#include <QFont>
#include <QLocale>

#include <algorithm>
#include <cmath>

namespace retoscope {

namespace {

QString rankText(std::int32_t rank, bool isKnn)
{
    if (rank > 0)
        return QLocale().toString(rank);
    return isKnn ? QObject::tr("none") : QObject::tr("lower");
}

} // namespace

QString DistributionsModel::probabilityText(double probability)
{
    if (std::isnan(probability))
        return tr("not recorded");
    const QLocale locale;
    return probability == 0 || probability >= 1e-3 ? locale.toString(probability, 'g', 3) : locale.toString(probability, 'e', 1);
}

void DistributionsModel::setInspection(std::shared_ptr<const Inspection> inspection)
{
    const auto sameTokens = [&] {
        return m_inspection && inspection && m_inspection->trace == inspection->trace && (m_inspection->kept == nullptr) == (inspection->kept == nullptr)
               && std::ranges::equal(m_inspection->now.tokens, inspection->now.tokens, {}, &InspectedToken::token, &InspectedToken::token);
    };
    if (sameTokens()) { // a slider moved a little: the view keeps its place
        m_inspection = std::move(inspection);
        if (rowCount() > 0)
            Q_EMIT dataChanged(index(0, 0), index(rowCount() - 1, ColumnCount - 1));
        return;
    }
    beginResetModel();
    m_inspection = std::move(inspection);
    endResetModel();
}

int DistributionsModel::targetRow() const
{
    if (!m_inspection)
        return -1;
    const auto &tokens = m_inspection->now.tokens;
    const auto target = std::ranges::find_if(tokens, &InspectedToken::isTarget);
    return target == tokens.end() ? -1 : static_cast<int>(target - tokens.begin());
}

double DistributionsModel::keptProbability(TokenId token) const
{
    if (!m_inspection->kept)
        return std::nan("");
    const auto &tokens = m_inspection->kept->tokens;
    const auto found = std::ranges::find(tokens, token, &InspectedToken::token);
    return found == tokens.end() ? std::nan("") : found->mixed;
}

int DistributionsModel::rowCount(const QModelIndex &parent) const
{
    return parent.isValid() || !m_inspection ? 0 : static_cast<int>(m_inspection->now.tokens.size());
}

int DistributionsModel::columnCount(const QModelIndex &parent) const
{
    return parent.isValid() ? 0 : ColumnCount;
}

QVariant DistributionsModel::data(const QModelIndex &index, int role) const
{
    if (!index.isValid())
        return {};
    const InspectedToken &token = m_inspection->now.tokens[static_cast<std::size_t>(index.row())];
    switch (role) {
    case LmRole: return token.lm;
    case KnnRole: return token.knn;
    case MixedRole: return token.mixed;
    case KeptRole: return m_inspection->kept ? QVariant(keptProbability(token.token)) : QVariant();
    case IsTargetRole: return token.isTarget;
    case Qt::TextAlignmentRole:
        return QVariant::fromValue(Qt::AlignVCenter | (index.column() == Token ? Qt::AlignLeft : Qt::AlignRight));
    case Qt::FontRole:
        if (token.isTarget && index.column() == Token) {
            QFont bold;
            bold.setBold(true);
            return bold;
        }
        return {};
    case Qt::ToolTipRole:
    case Qt::AccessibleTextRole:
        return tr("%1%2: LM %3, kNN %4, mixture %5").arg(tokenLabel(m_inspection->trace->tokenText(token.token), token.token), token.isTarget ? tr(" (the true token)") : QString(),
                                                         probabilityText(token.lm), probabilityText(token.knn), probabilityText(token.mixed));
    case Qt::DisplayRole:
        break;
    default:
        return {};
    }
    switch (index.column()) {
    case Token: return (token.isTarget ? QStringLiteral("✓ ") : QString()) + tokenLabel(m_inspection->trace->tokenText(token.token), token.token);
    case Lm: return probabilityText(token.lm);
    case Knn: return probabilityText(token.knn);
    case Mixed: return probabilityText(token.mixed);
    case KeptMixed: return m_inspection->kept ? probabilityText(keptProbability(token.token)) : QString();
    case LmRank: return rankText(token.lmRank, false);
    case KnnRank: return rankText(token.knnRank, true);
    case MixedRank: return rankText(token.mixedRank, false);
    default: return {};
    }
}

QVariant DistributionsModel::headerData(int section, Qt::Orientation orientation, int role) const
{
    if (orientation != Qt::Horizontal)
        return {};
    if (role == Qt::TextAlignmentRole)
        return QVariant::fromValue(Qt::AlignVCenter | (section == Token || section == Mixed ? Qt::AlignLeft : Qt::AlignRight));
    if (role == Qt::ToolTipRole && section >= MixedRank)
        return tr("“lower”: below the candidates that the trace recorded; “none”: no neighbour has it");
    if (role != Qt::DisplayRole)
        return {};
    switch (section) {
    case Token: return tr("Token");
    case Lm: return tr("p(LM)");
    case Knn: return tr("p(kNN)");
    case Mixed: return tr("p(mixed)");
    case KeptMixed: return tr("p(kept)");
    case LmRank: return tr("rank LM");
    case KnnRank: return tr("rank kNN");
    case MixedRank: return tr("rank mixed");
    default: return {};
    }
}

} // namespace retoscope
