"""Where the paths below `keras.src`, Keras 3's own files, lead.

Editors write `from keras.src.layers.core.dense import Dense` into scripts, and add-on packages are built on these
paths. Each leads to the names that Keras's file defines for everybody, under Tandem's public namespaces, and to what
else of such a file is in use and has a counterpart here (`tandem.keras.internals`, `tandem.keras.testing`). A name that
is not listed is not there: the import fails and says where the public ones are.

`PATHS` maps a path below `keras` to one or several sources separated by spaces, each a module below `tandem.keras` ("."
is `tandem.keras` itself), with ":" and names where not all of its names are meant, and "theirs=ours" for another name.
"""

from tandem.keras.legacy.modules import MODULE_ALIASES

# folder -> the files in it, each with its names; all are public names of the namespace that the path begins with.
_FILES = {
    "callbacks": """
        backup_and_restore:BackupAndRestore callback:Callback callback_list:CallbackList csv_logger:CSVLogger
        early_stopping:EarlyStopping history:History lambda_callback:LambdaCallback
        learning_rate_scheduler:LearningRateScheduler model_checkpoint:ModelCheckpoint
        orbax_checkpoint:OrbaxCheckpoint progbar_logger:ProgbarLogger reduce_lr_on_plateau:ReduceLROnPlateau
        remote_monitor:RemoteMonitor swap_ema_weights:SwapEMAWeights tensorboard:TensorBoard
        terminate_on_nan:TerminateOnNaN
    """,
    "initializers": """
        constant_initializers:Constant,Zeros,Ones,Identity,STFT initializer:Initializer
        random_initializers:RandomNormal,TruncatedNormal,RandomUniform,VarianceScaling,GlorotUniform
        random_initializers:GlorotNormal,LecunNormal,LecunUniform,HeNormal,HeUniform,Orthogonal
    """,
    "layers.activations": """
        activation:Activation elu:ELU leaky_relu:LeakyReLU prelu:PReLU relu:ReLU softmax:Softmax
    """,
    "layers.attention": """
        additive_attention:AdditiveAttention attention:Attention
        grouped_query_attention:GroupedQueryAttention=GroupQueryAttention multi_head_attention:MultiHeadAttention
    """,
    "layers.convolutional": """
        conv1d:Conv1D conv1d_transpose:Conv1DTranspose conv2d:Conv2D conv2d_transpose:Conv2DTranspose conv3d:Conv3D
        conv3d_transpose:Conv3DTranspose depthwise_conv1d:DepthwiseConv1D depthwise_conv2d:DepthwiseConv2D
        separable_conv1d:SeparableConv1D separable_conv2d:SeparableConv2D
    """,
    "layers.core": """
        dense:Dense einsum_dense:EinsumDense embedding:Embedding identity:Identity input_layer:InputLayer,Input
        lambda_layer:Lambda masking:Masking reversible_embedding:ReversibleEmbedding wrapper:Wrapper
    """,
    "layers": """
        input_spec:InputSpec layer:Layer
    """,
    "layers.merging": """
        add:Add,add average:Average,average concatenate:Concatenate,concatenate dot:Dot,dot maximum:Maximum,maximum
        minimum:Minimum,minimum multiply:Multiply,multiply subtract:Subtract,subtract
    """,
    "layers.normalization": """
        batch_normalization:BatchNormalization group_normalization:GroupNormalization
        layer_normalization:LayerNormalization rms_normalization:RMSNormalization
        spectral_normalization:SpectralNormalization unit_normalization:UnitNormalization
    """,
    "layers.pooling": """
        adaptive_average_pooling1d:AdaptiveAveragePooling1D adaptive_average_pooling2d:AdaptiveAveragePooling2D
        adaptive_average_pooling3d:AdaptiveAveragePooling3D adaptive_max_pooling1d:AdaptiveMaxPooling1D
        adaptive_max_pooling2d:AdaptiveMaxPooling2D adaptive_max_pooling3d:AdaptiveMaxPooling3D
        average_pooling1d:AveragePooling1D average_pooling2d:AveragePooling2D average_pooling3d:AveragePooling3D
        global_average_pooling1d:GlobalAveragePooling1D global_average_pooling2d:GlobalAveragePooling2D
        global_average_pooling3d:GlobalAveragePooling3D global_max_pooling1d:GlobalMaxPooling1D
        global_max_pooling2d:GlobalMaxPooling2D global_max_pooling3d:GlobalMaxPooling3D max_pooling1d:MaxPooling1D
        max_pooling2d:MaxPooling2D max_pooling3d:MaxPooling3D
    """,
    "layers.preprocessing": """
        category_encoding:CategoryEncoding discretization:Discretization hashed_crossing:HashedCrossing
        hashing:Hashing integer_lookup:IntegerLookup mel_spectrogram:MelSpectrogram normalization:Normalization
        pipeline:Pipeline rescaling:Rescaling stft_spectrogram:STFTSpectrogram string_lookup:StringLookup
        text_vectorization:TextVectorization
    """,
    "layers.preprocessing.image_preprocessing": """
        aug_mix:AugMix auto_contrast:AutoContrast center_crop:CenterCrop
        clahe:ContrastLimitedAdaptiveHistogramEqualization cut_mix:CutMix equalization:Equalization
        max_num_bounding_box:MaxNumBoundingBoxes mix_up:MixUp rand_augment:RandAugment
        random_brightness:RandomBrightness random_color_degeneration:RandomColorDegeneration
        random_color_jitter:RandomColorJitter random_contrast:RandomContrast random_crop:RandomCrop
        random_elastic_transform:RandomElasticTransform random_erasing:RandomErasing random_flip:RandomFlip
        random_gaussian_blur:RandomGaussianBlur random_grayscale:RandomGrayscale random_hue:RandomHue
        random_invert:RandomInvert random_perspective:RandomPerspective random_posterization:RandomPosterization
        random_rotation:RandomRotation random_saturation:RandomSaturation random_sharpness:RandomSharpness
        random_shear:RandomShear random_translation:RandomTranslation random_zoom:RandomZoom resizing:Resizing
        solarization:Solarization
    """,
    "layers.regularization": """
        activity_regularization:ActivityRegularization alpha_dropout:AlphaDropout dropout:Dropout
        gaussian_dropout:GaussianDropout gaussian_noise:GaussianNoise
        spatial_dropout:SpatialDropout1D,SpatialDropout2D,SpatialDropout3D
    """,
    "layers.reshaping": """
        cropping1d:Cropping1D cropping2d:Cropping2D cropping3d:Cropping3D flatten:Flatten permute:Permute
        repeat_vector:RepeatVector reshape:Reshape up_sampling1d:UpSampling1D up_sampling2d:UpSampling2D
        up_sampling3d:UpSampling3D zero_padding1d:ZeroPadding1D zero_padding2d:ZeroPadding2D
        zero_padding3d:ZeroPadding3D
    """,
    "layers.rnn": """
        bidirectional:Bidirectional conv_lstm1d:ConvLSTM1D conv_lstm2d:ConvLSTM2D conv_lstm3d:ConvLSTM3D
        gru:GRUCell,GRU lstm:LSTMCell,LSTM rnn:RNN simple_rnn:SimpleRNNCell,SimpleRNN
        stacked_rnn_cells:StackedRNNCells time_distributed:TimeDistributed
    """,
    "metrics": """
        accuracy_metrics:Accuracy,binary_accuracy,BinaryAccuracy,categorical_accuracy,CategoricalAccuracy
        accuracy_metrics:sparse_categorical_accuracy,SparseCategoricalAccuracy,top_k_categorical_accuracy
        accuracy_metrics:TopKCategoricalAccuracy,sparse_top_k_categorical_accuracy
        accuracy_metrics:SparseTopKCategoricalAccuracy
        confusion_metrics:FalsePositives,FalseNegatives,TrueNegatives,TruePositives,Precision,Recall
        confusion_metrics:SensitivityAtSpecificity,SpecificityAtSensitivity,PrecisionAtRecall
        confusion_metrics:RecallAtPrecision,AUC
        correlation_metrics:pearson_correlation,concordance_correlation,PearsonCorrelation
        correlation_metrics:ConcordanceCorrelation f_score_metrics:FBetaScore,F1Score
        hinge_metrics:Hinge,SquaredHinge,CategoricalHinge iou_metrics:IoU,BinaryIoU,MeanIoU,OneHotIoU,OneHotMeanIoU
        metric:Metric probabilistic_metrics:KLDivergence,Poisson,BinaryCrossentropy,CategoricalCrossentropy
        probabilistic_metrics:SparseCategoricalCrossentropy reduction_metrics:Sum,Mean,MeanMetricWrapper
        regression_metrics:MeanSquaredError,MeanAbsoluteError,MeanAbsolutePercentageError
        regression_metrics:MeanSquaredLogarithmicError,RootMeanSquaredError,CosineSimilarity,LogCoshError
        regression_metrics:R2Score
    """,
    "optimizers": """
        adadelta:Adadelta adafactor:Adafactor adagrad:Adagrad adam:Adam adamax:Adamax adamw:AdamW ftrl:Ftrl lamb:Lamb
        lion:Lion loss_scale_optimizer:LossScaleOptimizer multi_optimizer:OptimizerMap,MultiOptimizer muon:Muon
        nadam:Nadam optimizer:Optimizer rmsprop:RMSprop schedule_free_adamw:ScheduleFreeAdamW sgd:SGD
    """,
}

# A namespace that is one file in Keras, and files whose names are spread over several namespaces.
_OTHERS = {
    "": ". .:__version__",
    "activations": "activations internals.operations",
    "activations.activations": "activations internals.operations",
    "api_export": "internals.utilities:keras_export",
    "applications": "applications",
    "backend": "internals.core internals.scopes backend",
    "backend.common": "internals.core internals.scopes backend",
    "backend.common.backend_utils": (
        "internals.shapes:canonicalize_axis,canonicalize_axes,to_tuple_or_list,compute_conv_transpose_output_shape"
    ),
    "backend.common.dtypes": "backend:result_type internals.dtypes",
    "backend.common.global_state": (
        "internals.utilities:set_global_attribute,get_global_attribute backend:clear_session"
    ),
    "backend.common.keras_tensor": "symbolic:KerasTensor,is_keras_tensor,any_symbolic_tensors=any_symbolic",
    "backend.common.masking": "tensors:get_keras_mask=get_mask,set_keras_mask=set_mask",
    "backend.common.name_scope": "naming:name_scope,current_path",
    "backend.common.remat": ".:RematScope,remat",
    "backend.common.stateless_scope": "internals.scopes:StatelessScope,get_stateless_scope,in_stateless_scope",
    "backend.common.symbolic_scope": "internals.scopes:SymbolicScope,get_symbolic_scope,in_symbolic_scope",
    "backend.common.variables": (
        "variables:Variable,KerasVariable=Variable internals.scopes:AutocastScope,get_autocast_scope "
        "internals.shapes:standardize_shape,shape_equal internals.dtypes:ALLOWED_DTYPES,PYTHON_DTYPES_MAP "
        "backend:standardize_dtype,is_float_dtype,is_int_dtype"
    ),
    "backend.config": "config:standardize_data_format config backend internals.utilities:keras_home",
    "backend.core": "internals.core",
    "backend.image": "ops.image",
    "backend.linalg": "ops.linalg",
    "backend.math": "ops.math",
    "backend.nn": "ops.nn",
    "backend.numpy": "ops.numpy",
    "backend.random": "random",
    "backend.torch": "internals.core internals.scopes",
    "backend.torch.core": "internals.core",
    "backend.torch.image": "ops.image",
    "backend.torch.linalg": "ops.linalg",
    "backend.torch.math": "ops.math",
    "backend.torch.nn": "ops.nn",
    "backend.torch.numpy": "ops.numpy",
    "backend.torch.random": "random",
    "callbacks.monitor_callback": "callbacks.monitor:MonitorCallback",
    "constraints.constraints": "constraints",
    "datasets": "datasets",
    "distillation.distillation_loss": "distillation",
    "distillation.distiller": "distillation",
    "distribution.distribution_lib": "distribution",
    "dtype_policies.dtype_policy": "dtype_policies config:dtype_policy,set_dtype_policy",
    "dtype_policies.dtype_policy_map": "dtype_policies:DTypePolicyMap",
    "export": "export layers:TFSMLayer",
    "export.export_lib": "export",
    "export.saved_model": "export:ExportArchive",
    "export.tfsm_layer": "layers:TFSMLayer",
    "initializers.random_initializers": "initializers internals.utilities:compute_fans",
    "layers.input_spec": "layers:InputSpec layers.input_spec:assert_input_compatibility=check",
    "layers.preprocessing.data_layer": "layers.preprocessing.data_layer:DataLayer",
    "layers.preprocessing.feature_space": "utils:FeatureSpace",
    "layers.preprocessing.image_preprocessing.bounding_boxes": "utils.bounding_boxes",
    "layers.preprocessing.image_preprocessing.bounding_boxes.converters": "utils.bounding_boxes",
    "layers.preprocessing.image_preprocessing.bounding_boxes.iou": "utils.bounding_boxes:compute_iou,compute_ciou",
    "layers.rnn.conv_lstm": "layers.conv_lstm:ConvLSTMCell",
    "legacy": "legacy",
    "legacy.backend": "backend",
    "legacy.layers": "layers:AlphaDropout,ThresholdedReLU",
    "legacy.losses": "losses:Reduction",
    "legacy.preprocessing": "preprocessing",
    "legacy.preprocessing.image": "preprocessing.image",
    "legacy.preprocessing.sequence": "preprocessing.sequence",
    "legacy.preprocessing.text": "preprocessing.text",
    "legacy.saving": "legacy.saving",
    "legacy.saving.serialization": "saving:serialize_keras_object,deserialize_keras_object",
    "losses.loss": (
        "losses:Loss internals.loss_parts:standardize_reduction,squeeze_or_expand_to_same_rank,reduce_values,"
        "reduce_weighted_values"
    ),
    "losses.losses": "losses losses.loss:LossFunctionWrapper",
    "models.cloning": "models:clone_model",
    "models.functional": "models:Functional",
    "models.model": "models:Model,model_from_json",
    "models.sequential": "models:Sequential",
    "ops": "ops internals.operations symbolic:any_symbolic_tensors=any_symbolic",
    "ops.core": "ops.core internals.operations ops",
    "ops.einops": "ops:rearrange internals.operations:Rearrange",
    "ops.function": ".:Function",
    "ops.image": "ops.image internals.operations",
    "ops.linalg": "ops.linalg internals.operations",
    "ops.math": "ops.math internals.operations ops",
    "ops.nn": "ops.nn internals.operations",
    "ops.node": "symbolic:KerasHistory,is_keras_tensor",
    "ops.numpy": "ops.numpy internals.operations internals.shapes:broadcast_shapes,shape_equal",
    "ops.operation": ".:Operation",
    "ops.operation_utils": (
        "internals.shapes:broadcast_shapes,compute_conv_output_shape,compute_expand_dims_output_shape,"
        "compute_matmul_output_shape,compute_pooling_output_shape,compute_reshape_output_shape,"
        "compute_take_along_axis_output_shape,compute_transpose_output_shape,reduce_shape utils:get_source_inputs"
    ),
    "optimizers.base_optimizer": "optimizers:BaseOptimizer=Optimizer",
    "optimizers.schedules.learning_rate_schedule": "optimizers.schedules",
    "quantizers.quantizers": "quantizers",
    "random": "random internals.utilities:draw_seed",
    "random.random": "random",
    "random.seed_generator": "random:SeedGenerator internals.utilities:draw_seed,make_default_seed",
    "regularizers.regularizers": "regularizers",
    "saving.file_editor": "saving:KerasFileEditor",
    "saving.object_registration": (
        "saving:CustomObjectScope,custom_object_scope,get_custom_objects,get_registered_name,get_registered_object,"
        "register_keras_serializable"
    ),
    "saving.saving_api": "saving:save_model,load_model,save_weights,load_weights",
    "saving.saving_lib": "saving:save_model,load_model,save_weights_only=save_weights,load_weights_only=load_weights",
    "saving.serialization_lib": (
        "saving:serialize_keras_object,deserialize_keras_object config:enable_unsafe_deserialization "
        "saving.python_code:SafeModeScope,in_safe_mode=safe_mode"
    ),
    "testing": "testing",
    "testing.test_case": "testing.test_case testing",
    "testing.test_utils": "testing.test_utils",
    "trainers": "trainers",
    "trainers.compile_utils": "trainers.compile_loss:CompileLoss trainers.compile_metrics:CompileMetrics",
    "trainers.data_adapters": "utils:pack_x_y_sample_weight,unpack_x_y_sample_weight,PyDataset",
    "trainers.data_adapters.data_adapter_utils": "utils:pack_x_y_sample_weight,unpack_x_y_sample_weight",
    "trainers.data_adapters.py_dataset_adapter": "utils:PyDataset",
    "trainers.trainer": "trainers.trainer:Trainer",
    "tree.dmtree_impl": "tree",
    "tree.optree_impl": "tree",
    "tree.torchtree_impl": "tree",
    "tree.tree_api": "tree",
    "utils": "utils internals.utilities:default,is_default,removeprefix,removesuffix",
    "utils.argument_validation": "internals.shapes:standardize_tuple,standardize_padding,validate_string_arg",
    "utils.audio_dataset_utils": "utils:audio_dataset_from_directory",
    "utils.backend_utils": "internals.core:DynamicBackend config:set_backend",
    "utils.config": "utils:Config",
    "utils.dataset_utils": "utils:split_dataset",
    "utils.dtype_utils": "internals.utilities:dtype_size,is_float,cast_to_common_dtype",
    "utils.file_utils": "utils:get_file internals.utilities:hash_file,validate_file",
    "utils.image_dataset_utils": "utils:image_dataset_from_directory",
    "utils.image_utils": "utils:array_to_img,img_to_array,save_img,load_img preprocessing.image:smart_resize",
    "utils.io_utils": (
        "utils.messages:print_msg internals.utilities:set_logging_verbosity,ask_to_proceed_with_overwrite "
        "config:enable_interactive_logging,disable_interactive_logging,is_interactive_logging_enabled"
    ),
    "utils.jax_layer": "layers:JaxLayer,FlaxLayer",
    "utils.model_visualization": "utils:model_to_dot,plot_model",
    "utils.module_utils": "internals.optional",
    "utils.naming": (
        "naming:auto_name,uniquify,get_uid,reset_uids=reset internals.utilities:to_snake_case,get_object_name"
    ),
    "utils.numerical_utils": "utils:normalize,to_categorical",
    "utils.progbar": "utils:Progbar",
    "utils.python_utils": (
        "internals.utilities:default,is_default,is_continuous_axis,pythonify_logs,remove_by_id,remove_long_seq,"
        "removeprefix,removesuffix,to_list"
    ),
    "utils.rng_utils": "utils:set_random_seed",
    "utils.sequence_utils": "utils:pad_sequences",
    "utils.summary_utils": "internals.utilities:count_params,weight_memory_size,readable_memory_size",
    "utils.text_dataset_utils": "utils:text_dataset_from_directory",
    "utils.timeseries_dataset_utils": "utils:timeseries_dataset_from_array",
    "utils.torch_utils": "layers:TorchModuleWrapper internals.utilities:no_grad",
    "utils.traceback_utils": (
        "config:enable_traceback_filtering,disable_traceback_filtering,is_traceback_filtering_enabled"
    ),
    "utils.tracking": "layers.tracking:TrackedList,TrackedDict",
    "version": ".:version,__version__",
    "visualization.draw_bounding_boxes": "visualization",
    "visualization.draw_segmentation_masks": "visualization",
    "visualization.plot_bounding_box_gallery": "visualization",
    "visualization.plot_image_gallery": "visualization",
    "visualization.plot_segmentation_mask_gallery": "visualization",
    "wrappers.sklearn_wrapper": "wrappers",
}

# Parts of backends that Tandem is not: there is nothing that a name of theirs could mean here.
_ENGINE = "Tandem computes with PyTorch. `keras.ops` and `keras.backend` have the functions that do not depend on that."
PRIVATE = {f"src.backend.{name}": _ENGINE for name in ("jax", "openvino", "tensorflow")}


def _paths():
    found = {}
    for folder, files in _FILES.items():
        namespace = folder.partition(".")[0]
        for file in files.split():
            leaf, _, names = file.partition(":")
            path = f"src.{folder}.{leaf}"
            found[path] = f"{found[path]},{names}" if path in found else f"{namespace}:{names}"
        parts = folder.split(".")
        for i in range(1, len(parts) + 1):
            found.setdefault("src." + ".".join(parts[:i]), namespace)
    for path, sources in _OTHERS.items():
        found[f"src.{path}".rstrip(".")] = sources
        parts = path.split(".")
        for i in range(1, len(parts)):
            found.setdefault("src." + ".".join(parts[:i]), parts[0])
    return found


PATHS = _paths()

# `keras._tf_keras.keras.layers` is the namespace that editors find when TensorFlow is installed too.
ALIASES = {**MODULE_ALIASES, "_tf_keras": ".", "_tf_keras.keras": ".", **PATHS}
