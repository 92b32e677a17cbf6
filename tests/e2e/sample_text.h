// SPDX-License-Identifier: GPL-3.0-or-later
// A small corpus with repeated phrases, the same on every machine.
#pragma once

#include <QString>

/// One document of about `sentences` sentences.
QString sampleDocument(unsigned seed, int sentences);

/// Writes `documents` text files into a new folder.
bool writeSampleTexts(const QString &folder, int documents, int sentences);

bool writeFile(const QString &path, const QByteArray &content);
