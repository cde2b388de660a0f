/* The operations of one arithmetic come in as macros; its functions go out. */
#include "products.h"

#include "recurrent.h"
#include "loss.h"

#undef BY_COUNT
#undef TILE
#undef NAME
#undef TARGET
#undef LANES
#undef NUMBER
#undef SMALL
#undef GROUP
#undef MOST_ROWS
#undef VECTOR
#undef LOAD_GROUPS
#undef BROADCAST_GROUP
#undef MULTIPLY_ADD
#undef LOAD
#undef STORE
#undef SET
#undef ADD
#undef SUB
#undef MUL
#undef MIN
#undef MAX
#undef FMA
#undef FNMA
#undef ROUND
#undef SCALE
#undef RECIPROCAL
#undef LOAD_NUMBERS
#undef STORE_NUMBERS
#undef LOAD_SMALL
#undef STORE_SMALL
#undef STORE_GROUPS
#undef INTERLEAVE
