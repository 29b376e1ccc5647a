"""Names that Keras 1's and 2's namespaces have beside today's, as data: namespace -> file of this folder -> names.

A name may be followed by ":" and what it is called there. `old_name` is where `keras.missing` looks.
"""

import importlib

# What `from keras.layers import *` brings beside today's names.
STARRED_LAYERS = ["AtrousConvolution1D", "AtrousConvolution2D", "CuDNNGRU", "CuDNNLSTM", "Deconvolution2D"]
STARRED_LAYERS += ["Deconvolution3D", "Highway", "MaxoutDense", "Merge", "ParametricSoftplus", "SReLU"]
STARRED_LAYERS += ["ThresholdedReLU", "TimeDistributedDense"]

NAMES = {
    "keras.layers": {
        "old_layers": (
            "AbstractRNNCell AtrousConv1D AtrousConv2D AtrousConvolution1D AtrousConvolution2D ConvLSTM2DCell "
            "ConvRNN2D ConvRecurrent2D CuDNNGRU CuDNNLSTM Deconv2D Deconv3D Deconvolution2D Deconvolution3D Highway "
            "MaxoutDense Merge Recurrent SyncBatchNormalization ThresholdedReLU TimeDistributedDense "
            "disable_v2_dtype_behavior enable_v2_dtype_behavior"
        ),
        "curved_layers": "ParametricSoftplus SReLU",
        "utilities": "disable_tracking",
        "engine": "Node",
        "image_layers": "PreprocessingLayer RandomHeight RandomWidth",
    },
    "keras.callbacks": {"old_models": "BaseLogger"},
    "keras.models": {
        "utilities": "model_from_yaml",
        "engine": "Container Input InputLayer Layer Network Node",
        "old_layers": "Merge",
        "old_models": "Graph LinearModel SharpnessAwareMinimization WideDeepModel",
    },
    "keras.constraints": {
        "engine": "nonneg:NonNeg unitnorm:UnitNorm",
        "utilities": "RadialConstraint maxnorm radial_constraint:RadialConstraint",
    },
    "keras.initializers": {"engine": "normal:RandomNormal one:Ones uniform:RandomUniform zero:Zeros"},
    "keras.losses": {
        "engine": "LossFunctionWrapper",
        "utilities": "huber_loss is_categorical_crossentropy",
        "losses": "Reduction",
    },
    "keras.metrics": {
        "engine": "Layer cosine_similarity",
        "utilities": "clone_metric clone_metrics",
        "losses": "Reduction",
        "old_metrics": "MeanRelativeError MeanTensor",
    },
    "keras.optimizers": {
        "utilities": "clip_norm",
        "engine": "adadelta:Adadelta adagrad:Adagrad adam:Adam adamax:Adamax nadam:Nadam rmsprop:RMSprop sgd:SGD",
    },
    "keras.backend": {
        "k_nn": "deconv2d:conv2d_transpose",
        "k_extra": "b_any disable_tf_random_generator enable_tf_random_generator is_tf_random_generator_enabled",
    },
    "keras.regularizers": {"engine": "activity_l1:L1 activity_l1l2:L1L2 activity_l2:L2 l1l2:L1L2"},
    "keras.preprocessing.image": {"utilities": "flip_axis list_pictures transform_matrix_offset_center"},
    "keras.utils": {
        "utilities": (
            "HDF5Matrix ask_to_proceed_with_overwrite check_for_unexpected_keys conv_input_length conv_output_length "
            "convert_all_kernels_in_model convert_dense_weights_data_format convert_kernel count_params deconv_length "
            "deconv_output_length func_dump func_load getargspec has_arg is_all_none load_from_binary_h5py "
            "multi_gpu_model normalize_padding normalize_tuple object_list_uid print_summary save_to_binary_h5py "
            "slice_arrays to_list to_ordinal transpose_shape unpack_singleton disable_tracking"
        ),
        "k_nn": "normalize_data_format",
        "losses": "Reduction",
        "engine": "Layer urlretrieve validate_file",
        "enqueuers": (
            "GeneratorEnqueuer OrderedEnqueuer SequenceEnqueuer TimedThread get_index init_pool init_pool_generator "
            "next_sample"
        ),
        "drawing": "add_edge check_graphviz check_pydot is_model is_wrapped_model pydot",
        "h5_dict": "H5Dict h5dict:H5Dict",
        "metric_tools": (
            "AUCCurve AUCSummationMethod ConfusionMatrix assert_thresholds_range broadcast_weights "
            "compute_weighted_loss filter_top_k parse_init_thresholds reduce_weighted_loss result_wrapper "
            "squeeze_or_expand_dimensions update_confusion_matrix_variables update_state_wrapper weighted_assign_add"
        ),
    },
}
_HOME = {
    namespace: {
        entry.partition(":")[0]: (file, entry.partition(":")[2])
        for file, names in files.items()
        for entry in names.split()
    }
    for namespace, files in NAMES.items()
}


def old_name(namespace, name):
    """What Keras 1 or 2 had under `name` in a namespace, or None."""
    home = _HOME.get(namespace, {}).get(name)
    if home is None:
        return None
    return getattr(importlib.import_module(f"tandem.keras.legacy.{home[0]}"), home[1] or name)
