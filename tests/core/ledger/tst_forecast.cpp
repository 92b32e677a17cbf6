// SPDX-License-Identifier: GPL-3.0-or-later
// What does not fit is refused with the numbers, unless it is forced.
#include "base/error.h"
#include "base/job.h"
#include "core/support/expect_error.h"
#include "ledger/environment.h"
#include "ledger/forecast.h"
#include "model/trainer.h"

#include <QtTest>

using namespace retoscope;
namespace fs = std::filesystem;

class TestForecast : public QObject
{
    Q_OBJECT

private Q_SLOTS:
    void whatFitsIsAdmittedAndSaidWhenItIsLong()
    {
        QStringList said;
        JobControl job({}, [&said](const std::string &line) { said << QString::fromStdString(line); });
        admit({"the index", "10 vectors", 1000, 1000, 1}, fs::temp_directory_path(), false, job);
        QVERIFY(said.isEmpty());
        admit({"the index", "10 vectors", 1000, 2000, 90}, fs::temp_directory_path(), false, job);
        QCOMPARE(said, QStringList{QStringLiteral("forecast for the index: 10 vectors, 1.0 kB on disk, 2.0 kB of memory, about 1 min 30 s")});
    }

    void whatDoesNotFitIsRefusedWithTheNumbers()
    {
        JobControl job;
        const Forecast disk{"the datastore", "7 entries", std::uint64_t(1) << 60, 0, -1};
        const fs::path missing = fs::temp_directory_path() / "not" / "there" / "yet"; // the disk is its nearest parent's
        EXPECT_ERROR(admit(disk, missing, false, job), ErrorKind::Resource, "the datastore needs 1152.9 PB on disk (7 entries)", "left", "--force");
        admit(disk, missing, true, job);
        if (availableMemory() == 0)
            QSKIP("This system does not say how much memory is free.");
        const Forecast memory{"the clustering", "7 entries", 0, std::uint64_t(1) << 60, -1};
        EXPECT_ERROR(admit(memory, missing, false, job), ErrorKind::Resource, "the clustering needs about 1152.9 PB of memory (7 entries)", "available", "--force");
        admit(memory, missing, true, job);
    }

    void trainingIsForecastFromItsSizes()
    {
        TrainConfig config;
        config.model.architecture = "llama";
        config.model.vocabularySize = 1000;
        config.model.hiddenSize = 64;
        config.model.layers = 2;
        config.model.heads = config.model.keyValueHeads = 4;
        config.model.headSize = 16;
        config.model.feedForwardSize = 160;
        config.model.contextLength = 128;
        config.model.tiedHead = true;
        config.sequenceLength = 64;
        config.batchSequences = 8;
        config.steps = 10;
        config.storeType = ComputeType::Float32;
        const auto forecast = forecastTraining(config, 100'000);
        // Embedding; per block four attention matrices, three of the feed-forward and two norms; the last norm.
        const std::int64_t parameters = 1000 * 64 + 2 * (4 * 64 * 64 + 3 * 64 * 160 + 2 * 64) + 64;
        QCOMPARE(forecast.parameters, parameters);
        QCOMPARE(forecast.tokens, std::int64_t(10 * 8 * 64));
        QCOMPARE(forecast.diskBytes, std::uint64_t(2 * 16 * parameters));
        QVERIFY(forecast.memoryBytes > std::uint64_t(20 * parameters) && forecast.memoryBytes < 200'000'000);
    }
};

QTEST_GUILESS_MAIN(TestForecast)
#include "tst_forecast.moc"
