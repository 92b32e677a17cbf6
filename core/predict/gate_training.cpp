// SPDX-License-Identifier: GPL-3.0-or-later
#include "predict/gate_training.h"

#include "base/error.h"
#include "base/json_fields.h"

namespace retoscope {

void to_json(Json &json, const GateTraining &training)
{
    json = Json{{"hidden", training.hidden}, {"dropout", training.dropout}, {"learning_rate", training.learningRate}, {"batch", training.batch},
                {"epochs", training.epochs}, {"sparsity", training.sparsity}, {"seed", training.seed}};
}

void from_json(const Json &json, GateTraining &training)
{
    JsonFields fields(json, "gate.training");
    GateTraining read;
    fields.read("hidden", read.hidden);
    fields.read("dropout", read.dropout);
    fields.read("learning_rate", read.learningRate);
    fields.read("batch", read.batch);
    fields.read("epochs", read.epochs);
    fields.read("sparsity", read.sparsity);
    fields.read("seed", read.seed);
    fields.refuseOthers();
    validate(read);
    training = read;
}

void validate(const GateTraining &training)
{
    constexpr std::int32_t widest = 1 << 14;
    if (training.hidden < 1 || training.hidden > widest)
        fail(ErrorKind::BadInput, "gate: hidden is {}; give 1 to {} units.", training.hidden, widest);
    if (!(training.dropout >= 0 && training.dropout < 1))
        fail(ErrorKind::BadInput, "gate: dropout is {}; give a share from 0 to below 1.", training.dropout);
    if (!(training.learningRate > 0 && training.learningRate <= 1))
        fail(ErrorKind::BadInput, "gate: learning_rate is {}; give a number above 0, at most 1.", training.learningRate);
    if (training.batch < 1)
        fail(ErrorKind::BadInput, "gate: batch is {}; give at least 1 position.", training.batch);
    if (training.epochs < 1)
        fail(ErrorKind::BadInput, "gate: epochs is {}; give at least 1.", training.epochs);
    if (!(training.sparsity >= 0 && training.sparsity <= 100))
        fail(ErrorKind::BadInput, "gate: sparsity is {}; give a number from 0 to 100.", training.sparsity);
}

} // namespace retoscope
