// SPDX-License-Identifier: GPL-3.0-or-later
#include "e2e/job_commands.h"

#include "e2e/sample_text.h"

#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>

namespace {

constexpr int neighbours = 32;

bool writeDescription(const QString &file, const QString &texts, const QString &model)
{
    const QJsonObject windows{{QStringLiteral("block"), 32}, {QStringLiteral("stride"), 16}};
    const QJsonObject description{
        {QStringLiteral("format"), QStringLiteral("retoscope-project")},
        {QStringLiteral("version"), 1},
        {QStringLiteral("name"), QStringLiteral("whole")},
        {QStringLiteral("corpus"),
         QJsonObject{{QStringLiteral("paths"), QJsonArray{texts}},
                     {QStringLiteral("options"), QJsonObject{{QStringLiteral("trainFraction"), 0.6}, {QStringLiteral("validationFraction"), 0.2}, {QStringLiteral("testFraction"), 0.2}}}}},
        {QStringLiteral("model"), QJsonObject{{QStringLiteral("path"), model}}},
        {QStringLiteral("datastore"), QJsonObject{{QStringLiteral("windows"), windows}}},
        {QStringLiteral("index"), QJsonObject{{QStringLiteral("factory"), QStringLiteral("IVF8,Flat")}}},
        {QStringLiteral("clusters"), QJsonObject{{QStringLiteral("states"), 40}, {QStringLiteral("iterations"), 5}}},
        {QStringLiteral("trace"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("windows"), windows}}},
        {QStringLiteral("settings"), QJsonObject{{QStringLiteral("k"), neighbours}, {QStringLiteral("automaton"), QJsonObject{{QStringLiteral("max_knns"), 64}}}}},
        {QStringLiteral("sweep"), QJsonObject{{QStringLiteral("lambda"), QJsonArray{0.1, 0.4, 0.7}}, {QStringLiteral("temperature"), QJsonArray{1, 10}}, {QStringLiteral("k"), QJsonArray{16, neighbours}}}},
        {QStringLiteral("foss"), QJsonObject{{QStringLiteral("points"), 4}}}};
    return writeFile(file, QJsonDocument(description).toJson());
}

} // namespace

QList<JobKind> jobsInOrder(const QString &texts, const QString &model, const QString &description)
{
    if (!writeDescription(description, texts, model))
        return {};
    const QString windows = QStringLiteral("--block 32 --stride 16");
    return {
        {QStringLiteral("corpus"), QStringLiteral("corpus add %1 --name texts --split train=0.7,validation=0.15,test=0.15,seed=3").arg(texts)},
        {QStringLiteral("tokenizer"), QStringLiteral("tokenizer train --corpus texts --vocabulary 330 --name pieces")},
        {QStringLiteral("training"), QStringLiteral("train --corpus texts --tokenizer pieces --name small --layers 2 --hidden 32 --heads 2 --context 64 --sequence 32 --batch 8 "
                                                   "--steps 60 --warmup 5 --evaluate-every 5 --learning-rate 0.01 --compute fp32")},
        {QStringLiteral("datastore"), QStringLiteral("datastore build --model small --corpus texts:train --name keys ") + windows},
        {QStringLiteral("index"), QStringLiteral("index build --datastore keys --factory IVF16,PQ8x4 --name lists")},
        {QStringLiteral("clusters"), QStringLiteral("cluster build --datastore keys --states 60 --iterations 12 --name states")},
        {QStringLiteral("trace"), QStringLiteral("trace record --model small --corpus texts:test --datastore keys --index lists --k %1 --name test ").arg(neighbours) + windows},
        {QStringLiteral("evaluate"), QStringLiteral("evaluate --trace test --method retomaton --lambda 0.4 --min-knns 4")},
        {QStringLiteral("live"), QStringLiteral("evaluate --trace test --method retomaton --lambda 0.4 --min-knns 4 --live")},
        {QStringLiteral("sweep"), QStringLiteral("sweep --trace test --grid lambda=0.1:0.9:0.1;temperature=1,10;k=8,%1").arg(neighbours)},
        {QStringLiteral("foss"), QStringLiteral("foss --trace test --points 6")},
        {QStringLiteral("pipeline"), QStringLiteral("run ") + description},
    };
}

QStringList exportsTo(const QString &folder)
{
    return {QStringLiteral("datastore export keys --to %1/datastore").arg(folder), QStringLiteral("cluster export states --to %1/clusters").arg(folder),
            QStringLiteral("trace export test --to %1/trace").arg(folder)};
}

QList<JobKind> importsFrom(const QString &folder, const QString &indexFile)
{
    return {
        {QStringLiteral("datastore import"), QStringLiteral("datastore import --keys %1/datastore/keys.npy --values %1/datastore/values.npy --name brought").arg(folder)},
        {QStringLiteral("index import"), QStringLiteral("index import %1 --datastore brought --name brought").arg(indexFile)},
        {QStringLiteral("cluster import"), QStringLiteral("cluster import %1/clusters/states.npy --datastore brought --name brought").arg(folder)},
        {QStringLiteral("trace import"), QStringLiteral("trace import --queries %1/trace/queries.npy --targets %1/trace/targets.npy --lm-logprobs %1/trace/lm_log_probs.npy "
                                                       "--sequences %1/trace/sequences.npy --datastore brought --index brought --k 16 --name brought").arg(folder)},
    };
}
