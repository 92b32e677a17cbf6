// SPDX-License-Identifier: GPL-3.0-or-later
// The language of RunFilter, compiled to SQL with bound parameters.
//
//   filter     := and-part { "or" and-part }        and-part := not-part { "and" not-part }
//   not-part   := "not" not-part | "(" filter ")" | comparison
//   comparison := field ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "~" ) value       (~: contains, case ignored)
//   value      := number | word | "text" | 'text'   (a quote inside is doubled)
//
// Fields are the columns of a run, its settings and metrics, and any dotted path into config, metrics or environment. A
// comparison with something that a run does not have is false; "!=" is true then, and so is "not".
#pragma once

#include "ledger/sqlite.h"

#include <string>
#include <string_view>
#include <vector>

namespace retoscope {

struct SqlFragment
{
    std::string sql;
    std::vector<sqlite::Value> parameters; ///< for its ?s, in order
};

/// A condition over the table run; "1" for an empty expression. Throws BadInput with the character where it went wrong.
SqlFragment compileRunFilter(std::string_view expression);
/// An expression to order runs by. Throws BadInput listing the fields.
SqlFragment compileRunField(std::string_view field);

} // namespace retoscope
