//! A Vulkan device that makes pipelines and runs none.

use ash::vk;

pub struct Vulkan {
    _entry: ash::Entry,
    _instance: ash::Instance,
    device: ash::Device,
}

impl Vulkan {
    pub fn new() -> Vulkan {
        // SAFETY: each structure is filled as the specification asks, and outlives its call.
        unsafe {
            let entry = ash::Entry::load().expect("a Vulkan loader");
            let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_3);
            let create = vk::InstanceCreateInfo::default().application_info(&application);
            let instance = entry.create_instance(&create, None).expect("an instance");
            let physical = instance.enumerate_physical_devices().expect("a device")[0];
            let priorities = [1.0];
            let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&priorities)];
            let mut of_12 = vk::PhysicalDeviceVulkan12Features::default()
                .vulkan_memory_model(true)
                .shader_float16(true)
                .uniform_buffer_standard_layout(true);
            let mut of_11 = vk::PhysicalDeviceVulkan11Features::default().storage_buffer16_bit_access(true);
            let create = vk::DeviceCreateInfo::default()
                .queue_create_infos(&queues)
                .push_next(&mut of_12)
                .push_next(&mut of_11);
            let device = instance.create_device(physical, &create, None).expect("a logical device");
            Vulkan { _entry: entry, _instance: instance, device }
        }
    }

    /// Makes a pipeline: binding 0 is a uniform buffer, the `buffers` after it are storage buffers, and
    /// immediates are push constants.
    pub fn compile(&self, code: &[u32], buffers: usize) {
        let binding = |index: usize| {
            let ty = match index {
                0 => vk::DescriptorType::UNIFORM_BUFFER,
                _ => vk::DescriptorType::STORAGE_BUFFER,
            };
            vk::DescriptorSetLayoutBinding::default()
                .binding(index as u32)
                .descriptor_type(ty)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings: Vec<_> = (0..=buffers).map(binding).collect();
        let immediates =
            [vk::PushConstantRange::default().stage_flags(vk::ShaderStageFlags::COMPUTE).size(16)];
        // SAFETY: as in `new`. Nothing is freed, since the program ends soon.
        unsafe {
            let create = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
            let sets = [self.device.create_descriptor_set_layout(&create, None).expect("a set's layout")];
            let create =
                vk::PipelineLayoutCreateInfo::default().set_layouts(&sets).push_constant_ranges(&immediates);
            let layout = self.device.create_pipeline_layout(&create, None).expect("a pipeline's layout");
            let create = vk::ShaderModuleCreateInfo::default().code(code);
            let module = self.device.create_shader_module(&create, None).expect("a module");
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(module)
                .name(c"main");
            let create = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = self.device.create_compute_pipelines(vk::PipelineCache::null(), &create, None);
            made.unwrap_or_else(|(_, error)| panic!("no pipeline: {error}"));
        }
    }
}
