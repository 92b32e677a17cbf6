// SPDX-License-Identifier: GPL-3.0-or-later
// One command line of every kind of job over a small text, in the order in which each needs the ones before.
#pragma once

#include <QList>
#include <QString>
#include <QStringList>

struct JobKind
{
    QString name;    ///< "corpus", "tokenizer", "training", "datastore", "index", "clusters", "trace", "evaluate", …
    QString command; ///< without --project
};

/// What the jobs below made as files of somebody else, and the imports of those; the FAISS index is copied by the caller.
QStringList exportsTo(const QString &folder);
QList<JobKind> importsFrom(const QString &folder, const QString &indexFile);

/// `texts`: a folder of sample texts. `model`: a copy of the trained model, for the pipeline, whose description is written
/// to `description`. Empty when that file cannot be written.
QList<JobKind> jobsInOrder(const QString &texts, const QString &model, const QString &description);
