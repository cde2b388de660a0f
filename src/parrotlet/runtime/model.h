/* The shapes that Python and C agree on: a packed network, the rules, one request to write.
 * compiled.py mirrors these structures field by field and checks their sizes when it loads the library. */
#ifndef PARROTLET_MODEL_H
#define PARROTLET_MODEL_H

#include <stdint.h>

#define PL_VERSION 1
#define PL_LAYERS 32 /* most layers of a network */
#define PL_ROWS 16   /* most rows of one call */
#define PL_ITEMS 32  /* most (row, time) pairs that are advanced together */

enum { PL_RNN = 0, PL_LSTM = 1, PL_GRU = 2 };

/* Matrices are packed for streaming (see product in vector.h); widths are padded to multiples of 16. */
typedef struct {
    const float *input;          /* packed (in, gates * padded); null where folded into the table */
    const float *input_bias;     /* (gates * padded) */
    const float *recurrent;      /* packed (hidden, gates * padded) */
    const float *recurrent_bias; /* gru: (padded), the new gate's own bias; else null */
    const float *norm_weight;    /* (padded) or null */
    const float *norm_bias;      /* (padded) or null */
} pl_layer;

typedef struct {
    int64_t kind, layers, hidden, padded, gates;
    int64_t vocabulary, vocabulary_padded;
    int64_t embedding;    /* width of a table row that is an embedding; 0 where the table is folded */
    int64_t table_stride; /* floats from one row of the table to the next */
    int64_t residual;
    const float *table;       /* (vocabulary, table_stride): folded rows start the sums of layer 0 */
    const float *output;      /* packed (hidden, vocabulary_padded) */
    const float *output_bias; /* (vocabulary_padded) */
    pl_layer layer[PL_LAYERS];
} pl_model;

typedef struct {
    double temperature, top_p, min_p, typical;
    double repetition, presence, frequency;
    double dry_multiplier, dry_base, dry_largest;
    int64_t top_k, penalty_window, dry_length, dry_window, dry_reach, min_length;
    int64_t stop; /* -1 where no token ends a row */
    int64_t cycle_count, banned_count;
    const double *cycle;
    const int64_t *banned;
} pl_rules;

typedef struct {
    int64_t rows, count; /* rows <= PL_ROWS, count tokens for each */
    uint64_t seed;
    int64_t history_capacity;  /* ids per row of history: what is given and count more; 0 where no rule looks back */
    const int64_t *streams;    /* (rows) */
    const int64_t *positions;  /* (rows) */
    int64_t *history;          /* (rows, history_capacity) */
    int64_t *history_lengths;  /* (rows) */
    float *logits;             /* (rows, vocabulary): read and replaced */
    float *state;              /* (rows, layers, 1 or 2, hidden): read and replaced */
    int64_t *ids;              /* (rows, count) */
    float *probabilities;      /* (rows, count) */
    int64_t *lengths;          /* (rows) */
} pl_request;

/* Working memory, carved by work_size and work_open in engine.h out of one block that Python owns. */
typedef struct {
    int64_t width; /* floats per item of x */
    float *x;      /* (PL_ITEMS, width): what enters a layer, then what leaves it */
    float *z;      /* (PL_ITEMS, gates * padded): sums over the input */
    float *gates;  /* (rows, gates * padded) */
    float *state;  /* (rows, layers, 2, padded) */
    float *logits; /* (PL_ROWS, vocabulary_padded) */
    float *values; /* (vocabulary_padded): logits under the rules */
    float *mass;   /* (vocabulary_padded): exponentials of them */
    float *rank;   /* (vocabulary_padded): the order of the candidates */
    int32_t *list;    /* (vocabulary_padded): ids that are left */
    int32_t *longest; /* (vocabulary_padded): repeated lengths; zero between calls */
    int32_t *counts;  /* (rows, vocabulary_padded): recent occurrences */
} pl_work;

#endif
