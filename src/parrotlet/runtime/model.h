/* The shapes that Python and C agree on: a packed network, the rules, one request to write.
 * structures.py mirrors these structures field by field; compiled.py checks their sizes when it loads the library. */
#ifndef PARROTLET_MODEL_H
#define PARROTLET_MODEL_H

#include <stdint.h>

#define PL_VERSION 3
#define PL_LAYERS 32 /* most layers of a network */
#define PL_ROWS 16   /* most rows of one call, most windows evaluated together */
#define PL_ITEMS 32  /* most (row, time) pairs whose sums over the input are taken together */

enum { PL_RNN = 0, PL_LSTM = 1, PL_GRU = 2, PL_DENSE = 3, PL_CONVOLUTION = 4 };
enum { PL_TANH = 0, PL_RELU = 1, PL_SIGMOID = 2, PL_LINEAR = 3, PL_HARD_SIGMOID = 4, PL_HARD_SIGMOID_KERAS2 = 5 };

/* A matrix (depth, width) packed for streaming (see product in product.h), or several one after the other; width is a
 * whole number of units. With scales its numbers are signed bytes, and depth is padded to a multiple of 4. */
typedef struct {
    const void *weights;        /* null where there is none */
    const float *scales;        /* (width) what a weight of 1 stands for; null: the weights are floats */
    const int32_t *corrections; /* (width) -128 times the sum of the weights of a column; or null */
    int64_t depth, width;
} pl_matrix;

/* One direction of a layer. */
typedef struct {
    pl_matrix input;             /* (inputs, sums), of a convolution one for each tap; none where it is in the table */
    pl_matrix recurrent;         /* (units, sums); with a candidate (units, 2 * padded) */
    pl_matrix candidate;         /* gru that resets before the product: (units, padded); else none */
    const float *input_bias;     /* (sums) */
    const float *recurrent_bias; /* gru: (padded), the new gate's own bias; else null */
} pl_direction;

/* `sums` numbers are taken over its input at each step: gates * padded, where padded is units rounded up to 16. An item
 * (what is known of one row at one step) is a row of columns; each layer reads some and writes its own. */
typedef struct {
    int64_t kind, units, padded, sums;
    int64_t directions; /* 2: a second cell reads the window backwards */
    int64_t final;      /* what leaves at the last step is the state after the whole window, of each direction */
    int64_t activation, gate;
    int64_t from, to; /* the first column that enters, the first that leaves; padded for each direction */
    int64_t residual; /* what enters is added to what leaves */
    int64_t state;    /* where its part of a row's state begins */
    int64_t place;    /* its place among the layers of a state as Python sees it */
    int64_t dilation; /* convolution: steps between taps */
    const float *norm_weight; /* (padded) or null */
    const float *norm_bias;
    pl_direction direction[2];
} pl_layer;

typedef struct {
    int64_t layers, vocabulary, vocabulary_padded;
    int64_t width;     /* columns of an item */
    int64_t most_sums; /* of any layer */
    int64_t state;     /* floats of a row's state inside */
    int64_t state_layers, state_parts, state_units; /* a row's state as Python sees it; convolution: parts are steps */
    int64_t context;   /* ids of a window; 0 where a state is carried on */
    int64_t padding;   /* empty places are read as the id `vocabulary`; else a window is shorter */
    int64_t windows;   /* most windows evaluated together */
    int64_t ahead;     /* most windows of one text begun before their ids are known; 1 where a layer reads back */
    int64_t taps;      /* convolution: what a layer looks at */
    int64_t feature_column; /* the first column that enters the output layer */
    int64_t most_bytes;   /* of a row that enters a matrix of bytes; 0 where there is none */
    int64_t raw;          /* columns of an embedding */
    int64_t table_stride;
    const float *table;     /* (ids, table_stride): the sums over the input of layer 0; null where not folded */
    const float *raw_table; /* (ids, raw): embeddings; null where nothing needs them */
    const float *attention; /* (width) or null */
    pl_matrix output;         /* (features, vocabulary_padded) */
    const float *output_bias; /* (vocabulary_padded) */
    float *padded_states; /* (context, state): after k paddings; or null */
    float *padded_items;  /* (context, width): what is known of padding k; or null */
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
    float *state;              /* (rows, state_layers, state_parts, state_units): read and replaced; or null */
    int64_t *context;          /* (rows, context + count): the last ids, then those that are written; or null */
    int64_t *ids;              /* (rows, count) */
    float *probabilities;      /* (rows, count) or null */
    int64_t *lengths;          /* (rows) */
} pl_request;

/* Rows, or windows, that are read side by side: of each the steps begin .. begin + count - 1. */
typedef struct {
    int64_t rows, steps; /* steps: most of any row; with a context all of a window, though only some be read now */
    const int64_t *ids[PL_ROWS];
    int64_t first[PL_ROWS]; /* steps before it are paddings whose outcome is known, or nothing */
    int64_t begin[PL_ROWS], count[PL_ROWS];
    int64_t slot[PL_ROWS]; /* where its state and its items are */
} pl_block;

/* Working memory, carved by pl_work_open in kernel.c out of one block that Python owns. */
typedef struct {
    float *items;   /* (items, width): item slot * steps + t */
    float *sums;    /* (PL_ITEMS, most_sums): sums over the input */
    float *gates;   /* (PL_ROWS, most_sums) */
    float *state;   /* (rows, state) */
    float *average; /* (PL_ROWS, width): what attention gives */
    float *chances; /* (context): its weights */
    float *logits;  /* (PL_ROWS, vocabulary_padded) */
    float *values;  /* (vocabulary_padded): logits under the rules */
    float *mass;    /* (vocabulary_padded): exponentials of them */
    float *rank;    /* (vocabulary_padded): the order of the candidates */
    int32_t *list;    /* (vocabulary_padded): ids that are left */
    int32_t *longest; /* (vocabulary_padded): repeated lengths; zero between calls */
    int32_t *counts;  /* (rows, vocabulary_padded): recent occurrences */
    uint8_t *bytes;   /* (PL_ITEMS, most_bytes): what enters a matrix of bytes */
    int64_t most_bytes;
    int64_t read[PL_ROWS]; /* convolution: steps each row has read, which turns its ring */
} pl_work;

#endif
